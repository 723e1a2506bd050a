#pragma once

#include "publishing_tools.hpp"
#include "runner.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

/// Part B of the conformance suite, when publishing has no room, or gets no answer.
namespace cobus::testing::detail {

inline auto c13_waits_for_room(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(4000, 2000);
    narrow_bus bus(w);
    co_await bus.start();
    for (std::size_t i = 1; i <= count; ++i) {
        bus.publish(i);
    }
    co_await w.settle();
    const std::vector<published_note> early = bus.ended().all();
    bus.let_go();
    expect(early.size() <= narrow_bus::room + narrow_bus::slack,
           std::to_string(early.size()) + " publishes ended without room for them");
    for (const published_note& each : early) {
        expect_equal(each.ec, std::error_code(), "a full queue makes publishes wait, not fail");
    }
    co_await w.eventually([&] { return bus.ended().size() >= count; }, "all publishes");
    co_await w.eventually([&] { return numbers_of(bus.handled().all()).size() >= count + 1; },
                          "all handled");
    std::uint64_t last = 0;
    for (const published_note& each : bus.ended().all()) {
        expect_equal(each.ec, std::error_code(), "a publish that waited");
        expect_equal(each.number, last + 1, "first come, first served");
        last = each.number;
    }
    expect(in_order(bus.handled().all()), "what waited stays in order");
    co_await bus.get().stop();
}

inline auto c14_try_publish(world& w) -> net::awaitable<void> {
    narrow_bus bus(w);
    co_await bus.start();
    std::error_code ec;
    std::uint64_t taken = 0;
    const std::size_t bound = narrow_bus::room + narrow_bus::slack;
    while (!ec && taken <= bound) {
        for (int i = 0; i < 64 && !ec; ++i) {
            const note event = make_note("k", taken + 1);
            ec = bus.get().try_publish(event);
            taken += ec ? 0U : 1U;
        }
        co_await net::post(w.executor(), net::use_awaitable);
    }
    bus.let_go();
    expect_equal(ec, make_error_code(errc::queue_full), "try_publish without room");
    co_await w.eventually([&] { return numbers_of(bus.handled().all()).size() >= taken + 1; },
                          "what was taken");
    const note next = make_note("k", taken + 1);
    co_await w.sooner_or_later([&] { return !bus.get().try_publish(next); }, "room again");
    co_await w.eventually([&] { return numbers_of(bus.handled().all()).size() >= taken + 2; },
                          "the one behind");
    co_await bus.get().stop();
    expect_equal(*numbers_of(bus.handled().all()).rbegin(), taken + 1, "the highest number");
}

/// Fills a narrow bus until publishes wait; the next free number.
inline auto fill(world& w, narrow_bus& bus) -> net::awaitable<std::uint64_t> {
    const std::uint64_t count = narrow_bus::room + narrow_bus::slack + 8;
    for (std::uint64_t i = 1; i <= count; ++i) {
        bus.publish(i);
    }
    co_await w.settle();
    expect(bus.ended().size() < count, "some publishes wait for room");
    co_return count + 1;
}

inline auto c15_cancelled(world& w) -> net::awaitable<void> {
    narrow_bus bus(w);
    co_await bus.start();
    const std::uint64_t first = co_await fill(w, bus);
    auto& cancelled = w.new_journal<published_note>();
    auto& signals = w.make<std::deque<net::cancellation_signal>>();
    for (std::uint64_t i = 0; i < 10; ++i) {
        const note event = make_note("k", first + i);
        bus.get().publish(
            event, net::bind_cancellation_slot(
                       signals.emplace_back().slot(),
                       net::bind_executor(w.executor(), [&cancelled, number = event.number](
                                                            std::error_code ec, const receipt&) {
                           published_note entry;
                           entry.number = number;
                           entry.ec = ec;
                           cancelled.add(std::move(entry));
                       })));
    }
    for (std::size_t i = 0; i < 10; i += 2) {
        signals[i].emit(net::cancellation_type::total);
    }
    co_await w.eventually([&] { return cancelled.size() >= 5; }, "the cancelled ones");
    bus.let_go();
    co_await w.eventually([&] { return cancelled.size() >= 10; }, "the others");
    co_await w.eventually([&] { return bus.ended().size() == first - 1; }, "all before them");
    std::set<std::uint64_t> sent = numbers_of(bus.ended().all());
    std::set<std::uint64_t> never;
    for (const published_note& each : cancelled.all()) {
        const bool asked = (each.number - first) % 2 == 0;
        expect(each.ec ? asked : true, "who was not cancelled is published");
        if (!each.ec) {
            sent.insert(each.number);
        } else if (each.ec == net::error::operation_aborted) {
            never.insert(each.number);
        } else {
            expect_equal(each.ec, make_error_code(errc::maybe_sent), "a cancelled publish");
        }
    }
    const auto arrived = [&] {
        const std::set<std::uint64_t> there = numbers_of(bus.handled().all());
        return std::includes(there.begin(), there.end(), sent.begin(), sent.end());
    };
    co_await w.eventually(arrived, "all that was not cancelled");
    co_await bus.get().stop();
    for (const std::uint64_t number : numbers_of(bus.handled().all())) {
        expect(!never.contains(number), "what was cancelled before it was sent leaves no trace");
    }
    expect_equal(cancelled.size(), std::size_t{10}, "each is told once");
}

inline auto c15_deadline(world& w) -> net::awaitable<void> {
    narrow_bus bus(w);
    co_await bus.start();
    const std::uint64_t first = co_await fill(w, bus);
    auto& late = w.new_journal<published_note>();
    for (std::uint64_t i = 0; i < 10; ++i) {
        const note event = make_note("k", first + i);
        const publish_options said = with().deadline(std::chrono::milliseconds(50));
        bus.get().publish(event, said,
                          [&late, number = event.number](std::error_code ec, const receipt&) {
                              published_note entry;
                              entry.number = number;
                              entry.ec = ec;
                              late.add(std::move(entry));
                          });
    }
    co_await w.eventually([&] { return late.size() >= 10; }, "the deadline of each");
    bus.let_go();
    for (const published_note& each : late.all()) {
        expect_equal(each.ec, make_error_code(errc::timed_out), "a publish past its deadline");
    }
    co_await w.eventually([&] { return bus.ended().size() == first - 1; }, "those without one");
    co_await w.eventually([&] { return numbers_of(bus.handled().all()).size() >= first; },
                          "what had no deadline");
    co_await bus.get().stop();
    expect_equal(late.size(), std::size_t{10}, "each is told once");
    expect(*numbers_of(bus.handled().all()).rbegin() < first, "what timed out was never sent");
}

inline auto c18_delivery_timeout(world& w) -> net::awaitable<void> {
    const std::size_t count = 50;
    w.notes();
    cobus::settings how = waiting(w);
    how.delivery_timeout(std::chrono::seconds(1)).wait_limit(std::chrono::seconds(1));
    const auto bus = w.make_bus(std::move(how));
    co_await bus->start();
    co_await publish_notes(*bus, "k", 0, 1);
    auto& ended = w.new_journal<published_note>();
    w.fixture().stall();
    for (std::size_t i = 1; i <= count; ++i) {
        publish_noted(*bus, make_note("k", i), ended);
    }
    co_await w.eventually([&] { return ended.size() >= count; }, "the timeout of each");
    w.fixture().resume();
    for (const published_note& each : ended.all()) {
        expect(each.ec == errc::timed_out || each.ec == errc::maybe_sent,
               "a publish without answer ends as timed_out or maybe_sent, not as " +
                   each.ec.message());
    }
    const note next = make_note("k", count + 1);
    const auto again = [&]() -> net::awaitable<bool> {
        std::error_code ec;
        co_await bus->publish(next, net::redirect_error(net::use_awaitable, ec));
        co_return !ec;
    };
    while (!co_await again()) {
    }
    co_await bus->stop();
    expect_equal(ended.size(), count, "each is told once");
    expect_equal(numbers_of(ended.all()).size(), count, "each is told");
}

[[nodiscard]] inline auto back_pressure_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    return {
        {"C13",
         "publishers wait for room, in line, and nothing grows",
         c13_waits_for_room,
         {&t::back_pressure, &t::ordered_per_key}},
        {"C14",
         "try_publish fails at once when there is no room",
         c14_try_publish,
         {&t::back_pressure}},
        {"C15",
         "a cancelled publish leaves no trace, or says that it may have been sent",
         c15_cancelled,
         {&t::back_pressure}},
        {"C15.deadline",
         "a publish that waits past its deadline fails and is never sent",
         c15_deadline,
         {&t::back_pressure}},
        {"C18",
         "each publish that is never answered fails once",
         c18_delivery_timeout,
         {&t::fault_injection}},
    };
}

} // namespace cobus::testing::detail
