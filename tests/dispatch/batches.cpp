#include <cobus/dispatch/batches.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

struct batch_item {
    std::uint64_t lane = 0;
    int number = 0;
    bool alone = false;
};
using item_batches = cobus::detail::batches<batch_item>;
using batch_fate = item_batches::fate;

const item_batches::clock::time_point batch_start{1h};

auto batch_numbers(const std::vector<batch_item*>& batch) -> std::vector<int> {
    std::vector<int> all;
    for (const batch_item* each : batch) {
        all.push_back(each->number);
    }
    return all;
}

/// A batch collector with items 0, 1, 2… in these lanes.
struct batch_scene {
    batch_scene(std::size_t count, const std::vector<std::uint64_t>& lanes) : all(count, 100ms) {
        for (const std::uint64_t lane : lanes) {
            add(lane);
        }
    }
    void add(std::uint64_t lane, item_batches::clock::time_point now = batch_start) {
        items.push_back({lane, static_cast<int>(items.size())});
        all.add(items.back(), now);
    }
    auto settle(const std::vector<batch_item*>& batch, std::vector<batch_fate> fates)
        -> std::vector<batch_fate> {
        all.settle(batch, fates, batch_start);
        return fates;
    }

    item_batches all;
    std::deque<batch_item> items;
};

} // namespace

TEST_CASE("a batch is ready when it is full, or when its first has waited long enough") {
    batch_scene s(3, {1, 2});
    CHECK(s.all.ready() == batch_start + 100ms);
    s.add(3, batch_start + 50ms);
    CHECK(s.all.ready() <= batch_start);
    CHECK(batch_numbers(s.all.take()) == std::vector{0, 1, 2});
    CHECK(s.all.ready() == (item_batches::clock::time_point::max)());
    s.add(4, batch_start + 70ms);
    CHECK(s.all.ready() == batch_start + 170ms);
    s.all.hurry();
    CHECK(s.all.ready() == batch_start + 70ms);
}

TEST_CASE("a batch holds several of a lane, in order, and those behind it wait until it ends") {
    batch_scene s(3, {1, 2, 1, 1, 3, 2});
    const auto first = s.all.take();
    CHECK(batch_numbers(first) == std::vector{0, 1, 2});
    CHECK(s.all.ready() > batch_start); // only 4 is free
    CHECK(batch_numbers(s.all.take()) == std::vector{4});
    CHECK(s.all.waiting() == 2);
    s.settle(first, {batch_fate::finished, batch_fate::finished, batch_fate::finished});
    CHECK(batch_numbers(s.all.take()) == std::vector{3, 5});
}

TEST_CASE("one that failed keeps its lane, and those behind it run again after it") {
    batch_scene s(4, {1, 1, 2, 1, 1});
    const auto batch = s.all.take();
    const auto fates = s.settle(batch, {batch_fate::finished, batch_fate::kept,
                                        batch_fate::finished, batch_fate::finished});
    CHECK(fates == std::vector{batch_fate::finished, batch_fate::kept, batch_fate::finished,
                               batch_fate::again});
    CHECK(s.all.take().empty());
    s.all.leave(s.items[0], batch_start); // holds nothing
    CHECK(s.all.take().empty());
    s.all.back(s.items[1], batch_start);
    CHECK(batch_numbers(s.all.take()) == std::vector{1, 3, 4});
}

TEST_CASE("one that is given up lets those behind it go on") {
    batch_scene s(2, {1, 1, 1});
    s.settle(s.all.take(), {batch_fate::kept, batch_fate::finished});
    s.all.leave(s.items[0], batch_start);
    CHECK(batch_numbers(s.all.take()) == std::vector{1, 2});
}

TEST_CASE("one that has to be alone is, and its lane waits for it") {
    batch_scene s(3, {1, 1, 2});
    const auto batch = s.all.take();
    s.items[0].alone = s.items[1].alone = s.items[2].alone = true;
    s.settle(batch, {batch_fate::kept, batch_fate::kept, batch_fate::kept});
    s.add(1);
    s.add(3);
    s.all.back(s.items[0], batch_start);
    s.all.back(s.items[2], batch_start);
    CHECK(s.all.ready() <= batch_start);
    const auto first = s.all.take();
    const auto second = s.all.take();
    CHECK(batch_numbers(first) == std::vector{0});
    CHECK(batch_numbers(second) == std::vector{2});
    CHECK(batch_numbers(s.all.take()) == std::vector{4});
    s.settle(first, {batch_fate::finished});
    const auto third = s.all.take();
    CHECK(batch_numbers(third) == std::vector{1});
    CHECK(s.all.take().empty());
    s.settle(third, {batch_fate::finished});
    CHECK(batch_numbers(s.all.take()) == std::vector{3});
}

TEST_CASE("a part of a batch may run, and what cannot yet goes behind what does") {
    batch_scene s(4, {1, 1, 2, 3});
    const auto batch = s.all.take();
    const auto fates = s.settle(
        batch, {batch_fate::under_way, batch_fate::kept, batch_fate::kept, batch_fate::finished});
    CHECK(fates == std::vector{batch_fate::under_way, batch_fate::again, batch_fate::kept,
                               batch_fate::finished});
    s.add(3);
    CHECK(batch_numbers(s.all.take()) == std::vector{4});
    s.settle({batch[0]}, {batch_fate::finished});
    CHECK(batch_numbers(s.all.take()) == std::vector{1});
}

TEST_CASE("those taken out are out, and their lanes go on when they leave") {
    batch_scene s(2, {1, 1, 1, 2});
    const auto batch = s.all.take();
    s.items[0].alone = true;
    s.settle(batch, {batch_fate::kept, batch_fate::kept});
    s.all.back(s.items[0], batch_start); // waits to be alone
    auto gone = s.all.remove_if([](const batch_item& each) { return each.number != 1; });
    CHECK(gone.size() == 3);
    for (batch_item* each : gone) {
        s.all.leave(*each, batch_start);
    }
    CHECK(batch_numbers(s.all.take()) == std::vector{1});
}

TEST_CASE("over many random steps no lane is in two item_batches, and each lane keeps its order") {
    std::mt19937_64 random(3);
    item_batches all(5, 10ms);
    std::deque<batch_item> items;
    std::vector<std::vector<batch_item*>> running;
    std::vector<batch_item*> kept;
    std::map<std::uint64_t, int> next; // the number that each lane finishes next
    std::map<std::uint64_t, int> made;
    std::size_t finished = 0;
    auto now = batch_start;
    for (int step = 0; step < 200'000; ++step) {
        now += std::chrono::milliseconds(random() % 3);
        switch (random() % 5) {
        case 0:
        case 1:
            if (items.size() < finished + 500) {
                const std::uint64_t lane = random() % 12;
                items.push_back({lane, made[lane]++});
                all.add(items.back(), now);
            }
            break;
        case 2:
            if (all.ready() <= now) {
                auto batch = all.take();
                REQUIRE(batch.size() <= 5);
                REQUIRE(
                    (batch.size() == 1 || std::none_of(batch.begin(), batch.end(),
                                                       [](batch_item* i) { return i->alone; })));
                std::map<std::uint64_t, int> last;
                for (batch_item* each : batch) { // contiguous from the first that is not finished
                    const auto [place, first] = last.try_emplace(each->lane, next[each->lane] - 1);
                    REQUIRE(each->number == ++place->second);
                    for (const auto& other : running) {
                        REQUIRE(std::none_of(other.begin(), other.end(),
                                             [&](batch_item* o) { return o->lane == each->lane; }));
                    }
                }
                if (!batch.empty()) {
                    running.push_back(std::move(batch));
                }
            }
            break;
        case 3:
            if (!running.empty()) {
                std::swap(running[random() % running.size()], running.back());
                const auto batch = std::move(running.back());
                running.pop_back();
                const bool thrown = random() % 8 == 0;
                std::vector<batch_fate> fates;
                for (batch_item* each : batch) {
                    each->alone = each->alone || thrown;
                    const auto dice = random() % 10;
                    fates.push_back(thrown || dice == 0 ? batch_fate::kept
                                    : dice == 1         ? batch_fate::again
                                                        : batch_fate::finished);
                }
                all.settle(batch, fates, now);
                for (std::size_t i = 0; i < batch.size(); ++i) {
                    if (fates[i] == batch_fate::finished) {
                        REQUIRE(batch[i]->number == next[batch[i]->lane]++);
                        ++finished;
                        all.leave(*batch[i], now);
                    } else if (fates[i] == batch_fate::kept) {
                        kept.push_back(batch[i]);
                    }
                }
            }
            break;
        default:
            if (!kept.empty()) {
                std::swap(kept[random() % kept.size()], kept.back());
                batch_item& each = *kept.back();
                kept.pop_back();
                if (random() % 4 == 0) { // given up
                    REQUIRE(each.number == next[each.lane]++);
                    ++finished;
                    all.leave(each, now);
                } else {
                    all.back(each, now);
                }
            }
        }
    }
    CHECK(finished > 10'000);
}
