#pragma once

#include "group_scene.hpp"
#include "runner.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

/// Part E of the conformance suite: groups, and partitions that move between their members.
namespace cobus::testing::detail {

inline auto c40_two_groups(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(25, 5);
    group_scene scene(w);
    co_await scene.start();
    const std::size_t first = scene.join();
    const std::size_t second = scene.join({}, "two");
    co_await scene.rounds(count);
    const auto all_by = [&](std::size_t who) {
        return scene.seen().count([who](const member_note& each) { return each.member == who; }) >=
               scene.published();
    };
    co_await w.eventually([&] { return all_by(first) && all_by(second); },
                          "every event in both groups");
    co_await scene.stop();
    expect_equal(scene.seen().size(), 2 * static_cast<std::size_t>(scene.published()),
                 "events of two groups");
}

inline auto c41_two_members(world& w) -> net::awaitable<void> {
    group_scene scene(w);
    co_await scene.start();
    const std::size_t first = scene.join();
    const std::size_t second = scene.join();
    co_await scene.shared_by(first, second);
    const std::uint64_t from = scene.published();
    co_await scene.rounds(w.choose(25, 5));
    co_await scene.all_handled();
    co_await scene.stop();
    scene.expect_nothing_lost();
    const auto one = scene.partitions_of(first, from);
    const auto two = scene.partitions_of(second, from);
    expect_equal(one.size() + two.size(), std::size_t{8}, "partitions of both members");
    expect(!one.empty() && !two.empty(), "each member has partitions");
    for (std::uint64_t number = from; number < scene.published(); ++number) {
        expect_equal(scene.times(number), std::size_t{1}, "times that an event came");
    }
}

inline auto join_under_load(world& w, group_scene& scene) -> net::awaitable<void> {
    co_await scene.start();
    const std::size_t first = scene.join();
    co_await scene.shared_by(first);
    scene.begin_load();
    const std::size_t second = scene.join();
    co_await w.eventually([&] { return !scene.partitions_of(second, 0).empty(); },
                          "the new member to get something");
    co_await scene.end_load();
    co_await scene.shared_by(first, second);
    co_await scene.stop();
    scene.expect_nothing_lost();
}

inline auto c42_join_under_load(world& w) -> net::awaitable<void> {
    group_scene scene(w);
    co_await join_under_load(w, scene);
}

inline auto c42_repeats(world& w) -> net::awaitable<void> {
    group_scene scene(w);
    co_await join_under_load(w, scene);
    scene.expect_few_repeats(group_scene::concurrency);
}

inline auto c43_leave_under_load(world& w) -> net::awaitable<void> {
    group_scene scene(w);
    co_await scene.start();
    const std::size_t first = scene.join();
    const std::size_t second = scene.join();
    co_await scene.shared_by(first, second);
    scene.begin_load();
    co_await scene.member(second).stop();
    co_await scene.end_load();
    co_await scene.shared_by(first);
    co_await scene.stop();
    scene.expect_nothing_lost();
    scene.expect_few_repeats(group_scene::concurrency);
}

inline auto c43_crash_under_load(world& w) -> net::awaitable<void> {
    group_scene scene(w);
    co_await scene.start();
    const std::size_t first = scene.join();
    const std::size_t second = scene.join();
    co_await scene.shared_by(first, second);
    scene.begin_load();
    const std::uint64_t from = scene.published();
    co_await w.eventually([&] { return scene.partitions_of(second, from).size() > 1; },
                          "the second member to be at work");
    scene.crash(second);
    co_await scene.end_load();
    co_await scene.shared_by(first);
    co_await scene.stop();
    scene.expect_nothing_lost();
}

inline auto c44_waits_for_handlers(world& w) -> net::awaitable<void> {
    group_scene scene(w);
    co_await scene.start();
    auto& opened = w.new_gate();
    const std::size_t first = scene.join([&](std::uint64_t) { return opened.pass(); });
    co_await scene.round();
    co_await scene.all_handled(); // begun, that is
    const std::size_t second = scene.join();
    co_await w.eventually([&] { return scene.meddling().revoked() > 0; },
                          "partitions to be asked back");
    co_await w.settle();
    expect(scene.partitions_of(second, 0).empty(), "nobody gets what is still being handled");
    opened.open();
    co_await scene.shared_by(first, second);
    co_await scene.stop();
    scene.expect_nothing_lost();
    for (std::uint64_t number = 0; number < 8; ++number) {
        expect_equal(scene.times(number), std::size_t{1},
                     "times that an event came whose handler ended in time");
    }
}

inline auto c44_deadline(world& w) -> net::awaitable<void> {
    group_scene scene(w);
    scene.drain_limit = std::chrono::milliseconds(300);
    co_await scene.start();
    auto& opened = w.new_gate();
    (void)scene.join([&](std::uint64_t) { return opened.pass(); });
    co_await scene.round();
    co_await scene.all_handled();
    const std::size_t second = scene.join();
    co_await w.eventually([&] { return !scene.partitions_of(second, 0).empty(); },
                          "what was not handled in time, again");
    opened.open();
    co_await scene.stop();
    scene.expect_nothing_lost();
}

/// Waits at a gate, whoever asks it to end.
inline auto pass_stubbornly(gate& closed) -> net::awaitable<void> {
    co_await net::this_coro::reset_cancellation_state(net::disable_cancellation());
    co_await closed.pass();
}

inline auto c45_lost(world& w) -> net::awaitable<void> {
    group_scene scene(w);
    co_await scene.start();
    auto& opened = w.new_gate();
    auto& ended = w.new_journal<std::uint64_t>();
    (void)scene.join([&](std::uint64_t number) -> net::awaitable<void> {
        if (number >= 8) {
            co_await pass_stubbornly(opened);
        }
        ended.add(number);
    });
    scene.meddling().lose_next();
    co_await scene.rounds(2);
    co_await scene.all_handled();
    const std::size_t second = scene.join();
    co_await w.eventually([&] { return scene.meddling().lost() > 0; }, "partitions to be lost");
    opened.open(); // their handlers end now, too late
    co_await w.eventually([&] { return ended.size() >= 16; }, "the handlers to end");
    const auto moved = [&] { return scene.partitions_of(second, 8); };
    co_await w.eventually([&] { return !moved().empty(); }, "what was lost, elsewhere");
    co_await scene.stop();
    scene.expect_nothing_lost();
    for (const std::int32_t partition : moved()) {
        expect_equal(scene.times(8 + static_cast<std::uint64_t>(partition)), std::size_t{2},
                     "times that an event came whose handler ended after the loss");
    }
}

inline auto c46_stale(world& w) -> net::awaitable<void> {
    group_scene scene(w, 2);
    scene.drain_limit = std::chrono::milliseconds(300);
    co_await scene.start();
    auto& first_gate = w.new_gate();
    auto& second_gate = w.new_gate();
    auto& runs = w.new_journal<std::uint64_t>();
    auto& ended = w.new_journal<std::uint64_t>();
    const std::size_t first = scene.join([&](std::uint64_t number) -> net::awaitable<void> {
        const bool again = runs.count([number](std::uint64_t each) { return each == number; }) > 0;
        runs.add(number);
        if (again) {
            co_await second_gate.pass(); // until the stop cancels it
        }
        co_await pass_stubbornly(first_gate);
        ended.add(number);
    });
    co_await scene.round();
    co_await scene.all_handled();
    const std::size_t second =
        scene.join([&](std::uint64_t) -> net::awaitable<void> { return second_gate.pass(); });
    co_await w.eventually([&] { return !scene.partitions_of(second, 0).empty(); },
                          "the partition of a handler that does not end, elsewhere");
    const std::int32_t moved = *scene.partitions_of(second, 0).begin();
    const std::size_t before = scene.meddling().assigned();
    scene.crash(second);
    co_await w.eventually([&] { return scene.meddling().assigned() > before; },
                          "the partition to come back");
    co_await w.settle(); // the event comes again, and waits for the run before it
    first_gate.open();
    co_await w.eventually([&] { return ended.size() >= 2; }, "the first runs to end");
    co_await w.eventually([&] { return runs.size() >= 3; }, "the second run to begin");
    co_await scene.member(first).stop(std::chrono::milliseconds(500));

    const std::size_t third = scene.join();
    co_await scene.round();
    co_await w.eventually([&] { return scene.partitions_of(third, 2).size() == 2; },
                          "what comes behind");
    expect(scene.partitions_of(third, 0).contains(moved) &&
               scene.times(static_cast<std::uint64_t>(moved)) == 4,
           "the end of a run of an old assignment commits nothing for the new one");
    co_await scene.stop();
    scene.expect_nothing_lost();
}

inline auto c47_no_gap(world& w) -> net::awaitable<void> {
    const std::chrono::milliseconds longest(1000);
    group_scene scene(w);
    co_await scene.start();
    const std::size_t first = scene.join();
    co_await scene.shared_by(first);
    scene.begin_load();
    const std::uint64_t from = scene.published();
    const std::size_t second = scene.join();
    co_await w.eventually([&] { return !scene.partitions_of(second, from).empty(); },
                          "the new member to get something");
    co_await scene.end_load();
    co_await scene.shared_by(first, second);
    const std::set<std::int32_t> moved = scene.partitions_of(second, from);
    std::map<std::int32_t, std::chrono::steady_clock::time_point> last;
    std::chrono::steady_clock::duration gap{0};
    for (const member_note& each : scene.seen().all()) {
        const std::int32_t place = group_scene::place_of(each);
        if (each.member != first || moved.contains(place) || each.seen.event.number < from) {
            continue;
        }
        const auto found = last.find(place);
        gap = found != last.end() ? (std::max)(gap, each.at - found->second) : gap;
        last[place] = each.at;
    }
    co_await scene.stop();
    scene.expect_nothing_lost();
    expect(!last.empty(), "some partitions stay where they are");
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(gap);
    expect(took < longest,
           "a partition that stayed stood still for " + std::to_string(took.count()) + " ms");
}

/// Rebalances that came after the group was complete.
inline auto refused_while_joining(world& w, group_scene& scene) -> net::awaitable<std::size_t> {
    co_await scene.start();
    const std::size_t first = scene.join();
    co_await scene.shared_by(first);
    scene.begin_load();
    scene.meddling().refuse_commits(3);
    const std::size_t second = scene.join();
    co_await w.eventually([&] { return scene.meddling().refused_commits() == 3; },
                          "three commits to be refused");
    co_await w.eventually([&] { return !scene.partitions_of(second, 0).empty(); },
                          "the new member to get something");
    co_await scene.end_load();
    co_await scene.shared_by(first, second);
    const std::size_t before = scene.meddling().revoked() + scene.meddling().lost();
    co_await scene.rounds(w.choose(100, 20));
    co_await scene.all_handled();
    const std::size_t after = scene.meddling().revoked() + scene.meddling().lost();
    co_await scene.stop();
    scene.expect_nothing_lost();
    co_return after - before;
}

inline auto c48_commits_refused(world& w) -> net::awaitable<void> {
    group_scene scene(w);
    co_await refused_while_joining(w, scene);
}

inline auto c48_rejoining(world& w) -> net::awaitable<void> {
    group_scene scene(w);
    const std::size_t more = co_await refused_while_joining(w, scene);
    expect_equal(more, std::size_t{0}, "rebalances once the group is complete");
}

inline auto c49_more_partitions(world& w) -> net::awaitable<void> {
    group_scene scene(w, 2);
    co_await scene.start();
    const std::size_t reader = scene.join();
    co_await scene.shared_by(reader);
    w.fixture().add_partitions(scene.topic(), 4);
    const auto writer = w.make_bus(scene.settings("later"));
    co_await writer->start();
    const std::uint64_t from = 1'000'000;
    std::uint64_t next = from;
    for (std::int32_t partition = 0; partition < 4; ++partition) {
        std::error_code ec;
        do { // until the client has heard of it
            const note event = make_note(std::to_string(partition), next);
            const publish_options to = with().partition(partition);
            co_await writer->publish(event, to, net::redirect_error(net::use_awaitable, ec));
            ++next;
        } while (ec == errc::no_partition);
        expect_equal(ec, std::error_code(), "a publish to a new partition");
    }
    co_await w.eventually([&] { return scene.partitions_of(reader, from).size() == 4; },
                          "an event of each partition");
    co_await writer->stop();
    co_await scene.stop();
}

[[nodiscard]] inline auto group_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    const std::vector<capability t::*> members{&t::groups, &t::several_instances, &t::durable};
    std::vector<capability t::*> still = members;
    still.push_back(&t::steady_rebalance);
    return {
        {"C40", "each of two groups gets every event", c40_two_groups, members},
        {"C41", "two members of a group share its partitions, and miss none", c41_two_members,
         members},
        {"C42", "nothing is lost when a member joins under load", c42_join_under_load, members},
        {"C42.repeats", "next to nothing is repeated when a member joins under load", c42_repeats,
         still},
        {"C43", "nothing is lost, and next to nothing repeated, when a member leaves under load",
         c43_leave_under_load, members},
        {"C43.crash", "nothing is lost when a member crashes under load", c43_crash_under_load,
         members},
        {"C44", "a partition goes elsewhere when its handlers have ended, and not before",
         c44_waits_for_handlers, still},
        {"C44.deadline",
         "handlers that take too long for a partition that goes run again elsewhere", c44_deadline,
         members},
        {"C45", "nothing is committed for a partition that was lost", c45_lost, members},
        {"C46", "a handler that outlives its assignment changes nothing in the next one", c46_stale,
         members},
        {"C47", "partitions that stay where they are keep flowing while others move", c47_no_gap,
         still},
        {"C48", "commits refused during a rebalance lose nothing", c48_commits_refused, members},
        {"C48.rejoining", "commits refused during a rebalance end in no rejoining", c48_rejoining,
         still},
        {"C49",
         "new partitions of a topic are found and read from their beginning",
         c49_more_partitions,
         {&t::groups, &t::growing_topics}},
    };
}

} // namespace cobus::testing::detail
