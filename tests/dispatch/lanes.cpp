#include <cobus/dispatch/lanes.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <vector>

using cobus::detail::job;
using cobus::detail::lanes;

namespace {

auto in_lane(std::uint64_t lane) -> std::unique_ptr<job> {
    auto made = std::make_unique<job>();
    made->lane = lane;
    return made;
}

} // namespace

TEST_CASE("whoever finds the lane free may run") {
    lanes all;
    const auto first = in_lane(1);
    const auto other = in_lane(2);
    CHECK(all.enter(*first));
    all.keep(*first);
    CHECK(all.enter(*other));
}

TEST_CASE("those of a busy lane run one after another, in order") {
    lanes all;
    const auto first = in_lane(1);
    const auto second = in_lane(1);
    const auto third = in_lane(1);
    REQUIRE(all.enter(*first));
    all.keep(*first);
    CHECK_FALSE(all.enter(*second));
    CHECK_FALSE(all.enter(*third));
    CHECK(all.waiting() == 2);
    CHECK(all.leave(*first) == second.get());
    CHECK(all.leave(*second) == third.get());
    CHECK(all.leave(*third) == nullptr);
    CHECK(all.busy() == 0);
}

TEST_CASE("a lane that ended at once was never taken") {
    lanes all;
    const auto quick = in_lane(7);
    REQUIRE(all.enter(*quick));
    CHECK(all.leave(*quick) == nullptr);
    CHECK(all.busy() == 0);
}

TEST_CASE("those taken out do not run, and others keep their order") {
    lanes all;
    std::vector<std::unique_ptr<job>> jobs;
    for (int i = 0; i < 5; ++i) {
        jobs.push_back(in_lane(1));
    }
    REQUIRE(all.enter(*jobs[0]));
    all.keep(*jobs[0]);
    for (std::size_t i = 1; i < 5; ++i) {
        REQUIRE_FALSE(all.enter(*jobs[i]));
    }
    std::vector<job*> gone;
    all.remove_if([&](const job& each) { return &each == jobs[1].get() || &each == jobs[3].get(); },
                  [&](job& each) { gone.push_back(&each); });
    CHECK(gone == std::vector<job*>{jobs[1].get(), jobs[3].get()});
    CHECK(all.leave(*jobs[0]) == jobs[2].get());
    CHECK(all.leave(*jobs[2]) == jobs[4].get());
    CHECK(all.leave(*jobs[4]) == nullptr);
}

TEST_CASE("it agrees with a slow model over a million random steps") {
    std::mt19937 random(7);
    lanes all;
    std::map<std::uint64_t, std::deque<job*>> model; // the front runs
    std::vector<std::unique_ptr<job>> owned;
    std::vector<job*> running;
    std::vector<job*> unused;
    for (int step = 0; step < 1'000'000; ++step) {
        if (running.empty() || random() % 2 == 0) {
            if (unused.empty()) {
                owned.push_back(std::make_unique<job>());
                unused.push_back(owned.back().get());
            }
            job* next = unused.back();
            unused.pop_back();
            next->lane = random() % 50;
            auto& lane = model[next->lane];
            const bool free = lane.empty();
            lane.push_back(next);
            if (all.enter(*next) != free) {
                REQUIRE_MESSAGE(false, "lane " << next->lane << " at step " << step);
            }
            if (free) {
                all.keep(*next);
                running.push_back(next);
            }
        } else {
            std::swap(running[random() % running.size()], running.back());
            job* done = running.back();
            running.pop_back();
            auto& lane = model[done->lane];
            lane.pop_front();
            job* expected = lane.empty() ? nullptr : lane.front();
            job* next = all.leave(*done);
            if (next != expected) {
                REQUIRE(next == expected);
            }
            if (next != nullptr) {
                running.push_back(next);
            }
            unused.push_back(done);
        }
    }
}
