#include <cobus/dispatch/watermark.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <utility>
#include <vector>

using cobus::watermark;

namespace {

/// The runs say the same as a look at each offset; gaps count as finished.
void check_runs(const watermark& mark, const std::set<std::int64_t>& unfinished,
                std::int64_t next) {
    std::vector<std::int64_t> runs;
    mark.runs(runs);
    REQUIRE(runs.size() % 2 == 0);
    std::int64_t at = mark.committable();
    for (std::size_t i = 0; i < runs.size(); ++i) {
        for (const std::int64_t end = at + runs[i]; at < end; ++at) {
            if (unfinished.contains(at) != (i % 2 == 0)) {
                REQUIRE(unfinished.contains(at) == (i % 2 == 0));
            }
        }
    }
    for (; at < next; ++at) { // behind the highest that is finished, all is unfinished
        if (!unfinished.contains(at)) {
            REQUIRE(unfinished.contains(at));
        }
    }
}

} // namespace

TEST_CASE("nothing is committable before the first message") {
    const watermark mark;
    CHECK(mark.committable() == -1);
}

TEST_CASE("finishing in order moves the committable offset one by one") {
    watermark mark;
    const auto first = mark.begin(10);
    const auto second = mark.begin(11);
    CHECK(mark.committable() == 10);
    mark.finish(first);
    CHECK(mark.committable() == 11);
    mark.finish(second);
    CHECK(mark.committable() == 12);
}

TEST_CASE("an unfinished message holds back all that finished behind it") {
    watermark mark;
    const auto slow = mark.begin(0);
    for (std::int64_t offset = 1; offset < 10; ++offset) {
        mark.finish(mark.begin(offset));
    }
    CHECK(mark.committable() == 0);
    CHECK(mark.span() == 10);
    mark.finish(slow);
    CHECK(mark.committable() == 10);
    CHECK(mark.span() == 0);
}

TEST_CASE("offsets that never begin hold nothing up") {
    watermark mark;
    const auto before = mark.begin(3);
    const auto after = mark.begin(90);
    mark.finish(before);
    CHECK(mark.committable() == 90);
    mark.finish(after);
    CHECK(mark.committable() == 91);
}

TEST_CASE("it agrees with a slow model over a million random steps") {
    std::mt19937 random(20261121);
    watermark mark;
    std::set<std::int64_t> unfinished; // the model: the lowest of these, or the next offset
    std::vector<std::pair<std::int64_t, watermark::ticket>> running;
    std::int64_t next = 0;
    for (int step = 0; step < 1'000'000; ++step) {
        if (running.empty() || (running.size() < 200 && random() % 2 == 0)) {
            next += random() % 10 == 0 ? static_cast<std::int64_t>(1 + random() % 5) : 0; // a gap
            running.emplace_back(next, mark.begin(next));
            unfinished.insert(next++);
        } else {
            std::swap(running[random() % running.size()], running.back());
            unfinished.erase(running.back().first);
            mark.finish(running.back().second);
            running.pop_back();
        }
        const std::int64_t expected = unfinished.empty() ? next : *unfinished.begin();
        if (mark.committable() != expected) {
            REQUIRE(mark.committable() == expected);
        }
        if (step % 512 == 0) {
            check_runs(mark, unfinished, next);
        }
    }
}
