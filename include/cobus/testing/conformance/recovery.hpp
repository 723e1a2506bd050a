#pragma once

#include "delivery.hpp"
#include "failures.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

/// Part C of the conformance suite, where several things fail at once or commits do.
namespace cobus::testing::detail {

inline auto c22_two_fail_at_once(world& w) -> net::awaitable<void> {
    w.notes(1);
    auto& opened = w.new_gate();
    auto& seen = w.new_journal<seen_note>();
    {
        const auto bus = w.make_bus();
        const auto waiting = [&](std::uint64_t number) {
            return seen.count([number](const seen_note& each) {
                return each.event.number == number && each.attempt == 1;
            });
        };
        auto reader = bus->on<note>(
            handler("reader").ordered(order::unordered).retry(impatient(3)),
            [&](const note& event, context& where) -> net::awaitable<void> {
                const bool fails = event.number == 3 || event.number == 6;
                const unsigned attempt = where.attempt();
                seen.add(seen_note::of(event, where));
                if (fails && attempt == 1) {
                    co_await opened.pass(); // so that both fail while both are under way
                }
                if (fails && attempt < 3) {
                    throw std::runtime_error("twice");
                }
            });
        co_await bus->start();
        co_await publish_notes(*bus, "k", 0, 10);
        co_await w.eventually([&] { return waiting(3) == 1 && waiting(6) == 1; },
                              "two that are about to fail");
        opened.open();
        co_await w.eventually([&] { return seen.size() >= 14; }, "two more tries of each");
        co_await bus->stop();
    }
    for (const std::uint64_t number : {std::uint64_t{3}, std::uint64_t{6}}) {
        expect_equal(
            seen.count([number](const seen_note& each) { return each.event.number == number; }),
            std::size_t{3}, "tries of one that fails twice");
    }
    crashing_bus next(w, nothing, nothing);
    co_await next->start();
    co_await publish_notes(*next, "k", 10, 1);
    co_await w.eventually([&] { return next.numbers().contains(10); }, "the next one");
    co_await next->stop();
    expect_equal(next.seen().size(), std::size_t{1}, "events left once all are handled");
}

inline auto c23_poison(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(50, 10);
    failing_scene scene(w);
    scene.handle(handler("reader").ordered(order::unordered).retry(impatient(3)),
                 [](std::uint64_t number, unsigned) {
                     return number % 2 == 0 ? outcome::retry() : outcome::done();
                 });
    scene.read_letters();
    co_await scene->start();
    co_await publish_notes(*scene, "k", 0, 2 * count);
    co_await scene.letters_come(count);
    co_await w.eventually([&] { return scene.tries().size() >= 4 * count; }, "all tries");
    co_await scene->stop();
    expect_equal(scene.tries().size(), 4 * count, "runs: three of each that fails, one of others");
    expect_equal(scene.letters().size(), count, "dead letters");
}

inline auto c25_gaps(world& w) -> net::awaitable<void> {
    const std::string topic = w.notes(1);
    crashing_bus first(w, nothing, nothing);
    co_await first->start();
    co_await publish_notes(*first, "k", 0, 5);
    w.fixture().leave_gap(topic);
    co_await publish_notes(*first, "k", 5, 5);
    w.fixture().leave_gap(topic);
    co_await w.eventually([&] { return first.numbers().size() == 10; }, "all ten");
    co_await first->stop();
    const std::vector<seen_note> all = first.seen().all();
    expect(all.back().offset - all.front().offset > 9, "there is a gap between the offsets");

    crashing_bus second(w, nothing, nothing);
    co_await second->start();
    co_await publish_notes(*second, "k", 10, 1);
    co_await w.eventually([&] { return second.numbers().contains(10); }, "the next one");
    co_await second->stop();
    expect_equal(second.seen().size(), std::size_t{1}, "events left once all are handled");
}

inline auto c26_commits_fail(world& w) -> net::awaitable<void> {
    failing_scene scene(w);
    const auto fine = [](std::uint64_t, unsigned) { return outcome::done(); };
    scene.handle(handler("reader"), fine);
    scene.meddling().refuse_commits(3);
    co_await scene->start();
    co_await publish_notes(*scene, "k", 0, 10);
    co_await w.eventually([&] { return scene.tries().size() == 10; }, "all ten");
    co_await scene->stop();
    expect_equal(scene.meddling().refused_commits(), std::size_t{3}, "commits that were refused");

    scene.open();
    scene.handle(handler("reader"), fine);
    co_await scene->start();
    co_await publish_notes(*scene, "k", 10, 1);
    co_await w.eventually([&] { return scene.tries_of(10).size() == 1; }, "the next one");
    co_await scene->stop();
    expect_equal(scene.tries().size(), std::size_t{11}, "runs, when commits are tried again");
}

[[nodiscard]] inline auto recovery_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    return {
        {"C22",
         "two events of one partition that fail at the same time are both tried again",
         c22_two_fail_at_once,
         {&t::durable}},
        {"C23", "poison costs as many runs as it has attempts, and not one more", c23_poison, {}},
        {"C25",
         "offsets that belong to no event hold nothing up",
         c25_gaps,
         {&t::durable, &t::offset_gaps}},
        {"C26",
         "a commit that fails is tried again, and nothing committed is forgotten",
         c26_commits_fail,
         {&t::durable}},
    };
}

} // namespace cobus::testing::detail
