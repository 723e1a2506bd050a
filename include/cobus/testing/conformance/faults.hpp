#pragma once

#include "publishing_tools.hpp"
#include "runner.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

/// Part H of the conformance suite: what is behind the transport goes away and comes back.
namespace cobus::testing::detail {

/// Where each event was seen first, in that order.
[[nodiscard]] inline auto first_seen(const std::vector<seen_note>& all) -> std::vector<seen_note> {
    std::vector<seen_note> first;
    std::set<std::uint64_t> known;
    for (const seen_note& each : all) {
        if (known.insert(each.event.number).second) {
            first.push_back(each);
        }
    }
    return first;
}

/// Each event at least once: a member that was away for longer than its group waits gets again what
/// it had not committed.
inline void expect_all(const std::vector<seen_note>& all, std::size_t count) {
    expect_equal(first_seen(all).size(), count, "different events");
}

/// The transport's own tries neither repeat nor reorder: an event has one place, and per key the
/// events are seen first in their order.
inline void expect_in_place(const std::vector<seen_note>& all, std::size_t count) {
    expect_all(all, count);
    std::set<std::pair<std::int32_t, std::int64_t>> places;
    for (const seen_note& each : all) {
        places.emplace(each.partition, each.offset);
    }
    expect_equal(places.size(), count, "places of events, one for each");
    std::map<std::string, std::uint64_t> last;
    for (const seen_note& each : first_seen(all)) {
        auto& before = last[each.event.key];
        expect(each.event.number >= before, "the events of one key are in order");
        before = each.event.number;
    }
}

/// What a case demands of the events at its end.
using seen_check = void (*)(const std::vector<seen_note>&, std::size_t);

template <seen_check Check> auto c70_down_and_up(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(10'000, 1200);
    w.notes();
    cobus::settings how = w.settings();
    how.delivery_timeout(std::chrono::seconds(60)).queue(2 * count, std::size_t{64} << 20U);
    const auto bus = w.make_bus(std::move(how));
    auto& seen = w.new_journal<seen_note>();
    auto& ended = w.new_journal<published_note>();
    auto reader = bus->on<note>(handler("reader"), [&seen](const note& event, context& where) {
        seen.add(seen_note::of(event, where));
    });
    co_await bus->start();
    const auto publish = [&](std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; ++i) {
            publish_noted(*bus, make_note(std::to_string(i % 16), i), ended);
        }
    };
    publish(0, count / 3);
    co_await w.eventually([&] { return ended.size() >= count / 3; }, "the first third");
    w.fixture().down();
    publish(count / 3, count / 2);
    co_await w.settle();
    w.fixture().up();
    publish(count / 2, count);
    co_await w.eventually([&] { return ended.size() >= count; }, "the end of each publish");
    for (const published_note& each : ended.all()) {
        expect_equal(each.ec, std::error_code(), "a publish");
    }
    co_await w.eventually([&] { return numbers_of(seen.all()).size() >= count; }, "all events");
    co_await bus->stop();
    expect_equal(ended.size(), count, "each is told once");
    Check(seen.all(), count);
}

inline auto c75_starts_without(world& w) -> net::awaitable<void> {
    w.notes(1);
    w.fixture().down();
    cobus::settings how = w.settings();
    how.decision_time(std::chrono::milliseconds(1500)).delivery_timeout(std::chrono::seconds(60));
    const auto bus = w.make_bus(std::move(how));
    auto& seen = w.new_journal<seen_note>();
    auto& ended = w.new_journal<published_note>();
    auto reader = bus->on<note>(handler("reader"), [&seen](const note& event, context& where) {
        seen.add(seen_note::of(event, where));
    });
    const auto before = std::chrono::steady_clock::now();
    co_await bus->start();
    const auto took = std::chrono::steady_clock::now() - before;
    expect(took < std::chrono::seconds(5), "the start is decided within its time");
    const auto healthy = [&] {
        const state now = bus->health().what;
        return now == state::memory || now == state::connected;
    };
    expect(!healthy(), "a bus without what is behind it is not healthy");
    publish_noted(*bus, make_note("k", 0), ended);
    co_await w.settle();
    w.fixture().up();
    co_await w.sooner_or_later(healthy, "the bus to be healthy");
    co_await w.eventually([&] { return ended.size() == 1; }, "the end of the early publish");
    const std::error_code early = ended.all().front().ec;
    expect(!early || early == errc::unavailable || early == errc::timed_out,
           "an early publish waits or says that it could not be sent, not " + early.message());
    const note event = make_note("k", 1);
    const receipt where = co_await bus->publish(event);
    expect(!where.degraded(), "the event took the ordinary way");
    expect_equal(where.durable(), w.traits().durable.there(), "durable");
    const std::uint64_t wanted = early ? 1 : 0;
    co_await w.eventually(
        [&] {
            const auto numbers = numbers_of(seen.all());
            return numbers.contains(1) && numbers.contains(wanted);
        },
        "the events");
    co_await bus->stop();
}

[[nodiscard]] inline auto fault_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    return {
        {"C70",
         "nothing is lost when what is behind goes away and comes back",
         c70_down_and_up<expect_all>,
         {&t::restartable}},
        {"C70.exact",
         "nothing is repeated nor out of order when what is behind goes away and comes back",
         c70_down_and_up<expect_in_place>,
         {&t::restartable, &t::exact_publish}},
        {"C75",
         "a bus starts without what is behind, and finds it when it comes",
         c75_starts_without,
         {&t::restartable}},
    };
}

} // namespace cobus::testing::detail
