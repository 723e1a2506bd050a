#pragma once

#include "publishing_tools.hpp"
#include "runner.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

/// Part B of the conformance suite: publishing.
namespace cobus::testing::detail {

inline auto c10_typed_errors(world& w) -> net::awaitable<void> {
    w.notes();
    const auto bus = w.make_bus();
    auto& seen = w.new_journal<seen_note>();
    auto reader = bus->on<note>(handler("reader"), [&seen](const note& event, context& where) {
        seen.add(seen_note::of(event, where));
    });
    const note first = make_note("k", 1);
    std::error_code early;
    co_await bus->publish(first, net::redirect_error(net::use_awaitable, early));
    expect_equal(early, make_error_code(errc::closed), "a publish before the start");
    co_await bus->start();
    const receipt where = co_await bus->publish(first);
    expect(where.offset() >= 0 && where.partition() >= 0, "a receipt says where the event is");
    expect(where.timestamp() > time_point(), "a receipt has a time");
    message nowhere;
    nowhere.topic("no/such topic");
    bool refused = false;
    try {
        co_await bus->publish(std::move(nowhere));
    } catch (const std::system_error& e) {
        refused = e.code() == errc::no_topic;
    }
    expect(refused, "a topic that cannot be one is refused as no_topic");
    co_await w.eventually([&] { return seen.size() >= 1; }, "the event");
    expect_equal(seen.all().front().offset, where.offset(), "the offset in the receipt");
    co_await bus->stop();
}

inline auto c10_acknowledged(world& w) -> net::awaitable<void> {
    w.notes(1);
    const auto bus = w.make_bus(waiting(w));
    co_await bus->start();
    co_await publish_notes(*bus, "k", 0, 1); // connected by now
    auto& ended = w.new_journal<published_note>();
    w.fixture().stall();
    publish_noted(*bus, make_note("k", 1), ended);
    co_await w.settle();
    const std::size_t early = ended.size();
    w.fixture().resume();
    expect_equal(early, std::size_t{0}, "publishes that ended while nobody acknowledged");
    co_await w.eventually([&] { return ended.size() == 1; }, "the acknowledgement");
    expect_equal(ended.all().front().ec, std::error_code(), "the publish");
    expect(ended.all().front().where.offset() >= 1, "it lies behind the first");
    co_await bus->stop();
}

inline auto publish_some(bus& to, std::uint64_t publisher, std::uint64_t count,
                         journal<published_note>& ended) -> net::awaitable<void> {
    for (std::uint64_t i = 0; i < count; ++i) {
        const note event = make_note(std::to_string(publisher), publisher * 1'000'000 + i);
        published_note entry;
        entry.where = co_await to.publish(event);
        entry.number = event.number;
        ended.add(std::move(entry));
    }
}

inline auto c11_many_publishers(world& w) -> net::awaitable<void> {
    const std::size_t publishers = w.choose(50, 4);
    const std::size_t each = w.choose(200, 50);
    w.notes();
    const auto bus = w.make_bus();
    auto& seen = w.new_journal<seen_note>();
    auto& ended = w.new_journal<published_note>();
    auto reader = bus->on<note>(handler("reader"), [&seen](const note& event, context& where) {
        seen.add(seen_note::of(event, where));
    });
    co_await bus->start();
    for (std::uint64_t i = 0; i < publishers; ++i) {
        net::co_spawn(w.context(), publish_some(*bus, i, each, ended), net::detached);
    }
    const std::size_t total = publishers * each;
    co_await w.eventually([&] { return ended.size() >= total && seen.size() >= total; },
                          "all published and handled");
    co_await bus->stop();
    const std::vector<published_note> receipts = ended.all();
    std::set<std::pair<std::int32_t, std::int64_t>> places;
    std::set<std::string> ids;
    for (const published_note& one : receipts) {
        places.emplace(one.where.partition(), one.where.offset());
        ids.insert(one.where.id().str());
    }
    expect_equal(places.size(), total, "different places");
    expect_equal(ids.size(), total, "different ids");
    expect_equal(numbers_of(seen.all()).size(), total, "different events");
}

template <bool Disturbed> auto c12_order(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(1000, 200);
    w.notes();
    cobus::settings how = w.settings();
    how.delivery_timeout(std::chrono::seconds(60));
    const auto bus = w.make_bus(std::move(how));
    auto& seen = w.new_journal<seen_note>();
    auto& ended = w.new_journal<published_note>();
    auto reader = bus->on<note>(handler("reader"), [&seen](const note& event, context& where) {
        seen.add(seen_note::of(event, where));
    });
    co_await bus->start();
    for (std::size_t i = 0; i < count; ++i) {
        if (Disturbed && i % (count / 2) == count / 4) {
            w.fixture().disturb();
        }
        publish_noted(*bus, make_note("k", i), ended);
        if (i % 16 == 0) {
            co_await net::post(w.executor(), net::use_awaitable);
        }
    }
    co_await w.eventually([&] { return ended.size() >= count && seen.size() >= count; },
                          "all published and handled");
    co_await bus->stop();
    for (const published_note& each : ended.all()) {
        expect_equal(each.ec, std::error_code(), "a publish");
    }
    const std::vector<seen_note> all = seen.all();
    expect_equal(all.size(), count, "events, each once");
    expect(in_order(all), "the events of one key are in the order of their publishing");
}

inline auto c16_stop_flushes(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(10'000, 1000);
    w.notes();
    auto& ended = w.new_journal<published_note>();
    {
        cobus::settings how = w.settings("writer");
        how.retention(count).queue(2 * count, std::size_t{64} << 20U);
        const auto writer = w.make_bus(std::move(how));
        co_await writer->start();
        for (std::size_t i = 0; i < count; ++i) {
            publish_noted(*writer, make_note(std::to_string(i % 16), i), ended);
        }
        co_await writer->stop(std::chrono::seconds(30));
    }
    co_await w.eventually([&] { return ended.size() >= count; }, "the end of each publish");
    for (const published_note& each : ended.all()) {
        expect_equal(each.ec, std::error_code(), "a publish before the stop");
    }
    auto& seen = w.new_journal<seen_note>();
    cobus::settings how = w.settings("reader");
    how.retention(count);
    const auto reader = w.make_bus(std::move(how));
    auto handled = reader->on<note>(handler("reader"), [&seen](const note& event, context& where) {
        seen.add(seen_note::of(event, where));
    });
    co_await reader->start();
    co_await w.eventually([&] { return seen.size() >= count; }, "all by a fresh reader");
    co_await reader->stop();
    expect_equal(numbers_of(seen.all()).size(), count, "different events");
}

inline auto c17_after_stop(world& w) -> net::awaitable<void> {
    w.notes();
    const auto bus = w.make_bus();
    auto& seen = w.new_journal<seen_note>();
    auto reader = bus->on<note>(handler("reader"), [&seen](const note& event, context& where) {
        seen.add(seen_note::of(event, where));
    });
    co_await bus->start();
    co_await publish_notes(*bus, "k", 0, 1);
    co_await w.eventually([&] { return seen.size() >= 1; }, "the one before");
    co_await bus->stop();
    const note event = make_note("k", 1);
    std::error_code ec;
    co_await bus->publish(event, net::redirect_error(net::use_awaitable, ec));
    expect_equal(ec, make_error_code(errc::closed), "publish after stop");
    expect_equal(bus->try_publish(event), make_error_code(errc::closed), "try_publish after stop");
    const std::vector<note> events(3, event);
    const auto results = co_await bus->publish_all(events);
    expect_equal(results.size(), events.size(), "results of publish_all after stop");
    bool refused = false;
    try {
        co_await bus->publish(event);
    } catch (const std::system_error& e) {
        refused = e.code() == errc::closed;
    }
    expect(refused, "publish after stop throws closed");
    co_await w.settle();
    expect_equal(seen.size(), std::size_t{1}, "events handled");
}

[[nodiscard]] inline auto publishing_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    return {
        {"C10",
         "a publish completes with its place, and fails by typed codes",
         c10_typed_errors,
         {}},
        {"C10.acknowledged",
         "a publish completes only after it was acknowledged",
         c10_acknowledged,
         {&t::fault_injection}},
        {"C11",
         "what many publishers publish at once arrives, each event by itself",
         c11_many_publishers,
         {}},
        {"C12",
         "events of one key keep their order",
         c12_order<false>,
         {&t::ordered_per_key, &t::exact_publish}},
        {"C12.disturbed",
         "events of one key keep their order through disturbances",
         c12_order<true>,
         {&t::ordered_per_key, &t::exact_publish, &t::fault_injection}},
        {"C16",
         "stop sends all that nobody awaited, for a fresh reader to read",
         c16_stop_flushes,
         {&t::durable, &t::replay}},
        {"C17", "publishing after stop is an error", c17_after_stop, {}},
    };
}

} // namespace cobus::testing::detail
