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

struct item {
    std::uint64_t lane = 0;
    int number = 0;
    bool alone = false;
};
using batches = cobus::detail::batches<item>;
using fate = batches::fate;

const batches::clock::time_point start{1h};

auto numbers(const std::vector<item*>& batch) -> std::vector<int> {
    std::vector<int> all;
    for (const item* each : batch) {
        all.push_back(each->number);
    }
    return all;
}

/// A batch collector with items 0, 1, 2… in these lanes.
struct scene {
    scene(std::size_t count, const std::vector<std::uint64_t>& lanes) : all(count, 100ms) {
        for (const std::uint64_t lane : lanes) {
            add(lane);
        }
    }
    void add(std::uint64_t lane, batches::clock::time_point now = start) {
        items.push_back({lane, static_cast<int>(items.size())});
        all.add(items.back(), now);
    }
    auto settle(const std::vector<item*>& batch, std::vector<fate> fates) -> std::vector<fate> {
        all.settle(batch, fates, start);
        return fates;
    }

    batches all;
    std::deque<item> items;
};

} // namespace

TEST_CASE("a batch is ready when it is full, or when its first has waited long enough") {
    scene s(3, {1, 2});
    CHECK(s.all.ready() == start + 100ms);
    s.add(3, start + 50ms);
    CHECK(s.all.ready() <= start);
    CHECK(numbers(s.all.take()) == std::vector{0, 1, 2});
    CHECK(s.all.ready() == (batches::clock::time_point::max)());
    s.add(4, start + 70ms);
    CHECK(s.all.ready() == start + 170ms);
    s.all.hurry();
    CHECK(s.all.ready() == start + 70ms);
}

TEST_CASE("a batch holds several of a lane, in order, and those behind it wait until it ends") {
    scene s(3, {1, 2, 1, 1, 3, 2});
    const auto first = s.all.take();
    CHECK(numbers(first) == std::vector{0, 1, 2});
    CHECK(s.all.ready() > start); // only 4 is free
    CHECK(numbers(s.all.take()) == std::vector{4});
    CHECK(s.all.waiting() == 2);
    s.settle(first, {fate::finished, fate::finished, fate::finished});
    CHECK(numbers(s.all.take()) == std::vector{3, 5});
}

TEST_CASE("one that failed keeps its lane, and those behind it run again after it") {
    scene s(4, {1, 1, 2, 1, 1});
    const auto batch = s.all.take();
    const auto fates =
        s.settle(batch, {fate::finished, fate::kept, fate::finished, fate::finished});
    CHECK(fates == std::vector{fate::finished, fate::kept, fate::finished, fate::again});
    CHECK(s.all.take().empty());
    s.all.leave(s.items[0], start); // holds nothing
    CHECK(s.all.take().empty());
    s.all.back(s.items[1], start);
    CHECK(numbers(s.all.take()) == std::vector{1, 3, 4});
}

TEST_CASE("one that is given up lets those behind it go on") {
    scene s(2, {1, 1, 1});
    s.settle(s.all.take(), {fate::kept, fate::finished});
    s.all.leave(s.items[0], start);
    CHECK(numbers(s.all.take()) == std::vector{1, 2});
}

TEST_CASE("one that has to be alone is, and its lane waits for it") {
    scene s(3, {1, 1, 2});
    const auto batch = s.all.take();
    s.items[0].alone = s.items[1].alone = s.items[2].alone = true;
    s.settle(batch, {fate::kept, fate::kept, fate::kept});
    s.add(1);
    s.add(3);
    s.all.back(s.items[0], start);
    s.all.back(s.items[2], start);
    CHECK(s.all.ready() <= start);
    const auto first = s.all.take();
    const auto second = s.all.take();
    CHECK(numbers(first) == std::vector{0});
    CHECK(numbers(second) == std::vector{2});
    CHECK(numbers(s.all.take()) == std::vector{4});
    s.settle(first, {fate::finished});
    const auto third = s.all.take();
    CHECK(numbers(third) == std::vector{1});
    CHECK(s.all.take().empty());
    s.settle(third, {fate::finished});
    CHECK(numbers(s.all.take()) == std::vector{3});
}

TEST_CASE("a part of a batch may run, and what cannot yet goes behind what does") {
    scene s(4, {1, 1, 2, 3});
    const auto batch = s.all.take();
    const auto fates = s.settle(batch, {fate::under_way, fate::kept, fate::kept, fate::finished});
    CHECK(fates == std::vector{fate::under_way, fate::again, fate::kept, fate::finished});
    s.add(3);
    CHECK(numbers(s.all.take()) == std::vector{4});
    s.settle({batch[0]}, {fate::finished});
    CHECK(numbers(s.all.take()) == std::vector{1});
}

TEST_CASE("those taken out are out, and their lanes go on when they leave") {
    scene s(2, {1, 1, 1, 2});
    const auto batch = s.all.take();
    s.items[0].alone = true;
    s.settle(batch, {fate::kept, fate::kept});
    s.all.back(s.items[0], start); // waits to be alone
    auto gone = s.all.remove_if([](const item& each) { return each.number != 1; });
    CHECK(gone.size() == 3);
    for (item* each : gone) {
        s.all.leave(*each, start);
    }
    CHECK(numbers(s.all.take()) == std::vector{1});
}

TEST_CASE("over many random steps no lane is in two batches, and each lane keeps its order") {
    std::mt19937_64 random(3);
    batches all(5, 10ms);
    std::deque<item> items;
    std::vector<std::vector<item*>> running;
    std::vector<item*> kept;
    std::map<std::uint64_t, int> next; // the number that each lane finishes next
    std::map<std::uint64_t, int> made;
    std::size_t finished = 0;
    auto now = start;
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
                REQUIRE((batch.size() == 1 || std::none_of(batch.begin(), batch.end(),
                                                           [](item* i) { return i->alone; })));
                std::map<std::uint64_t, int> last;
                for (item* each : batch) { // contiguous from the first that is not finished
                    const auto [place, first] = last.try_emplace(each->lane, next[each->lane] - 1);
                    REQUIRE(each->number == ++place->second);
                    for (const auto& other : running) {
                        REQUIRE(std::none_of(other.begin(), other.end(),
                                             [&](item* o) { return o->lane == each->lane; }));
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
                std::vector<fate> fates;
                for (item* each : batch) {
                    each->alone = each->alone || thrown;
                    const auto dice = random() % 10;
                    fates.push_back(thrown || dice == 0 ? fate::kept
                                    : dice == 1         ? fate::again
                                                        : fate::finished);
                }
                all.settle(batch, fates, now);
                for (std::size_t i = 0; i < batch.size(); ++i) {
                    if (fates[i] == fate::finished) {
                        REQUIRE(batch[i]->number == next[batch[i]->lane]++);
                        ++finished;
                        all.leave(*batch[i], now);
                    } else if (fates[i] == fate::kept) {
                        kept.push_back(batch[i]);
                    }
                }
            }
            break;
        default:
            if (!kept.empty()) {
                std::swap(kept[random() % kept.size()], kept.back());
                item& each = *kept.back();
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
