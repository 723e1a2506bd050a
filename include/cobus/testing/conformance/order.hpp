#pragma once

#include "gauge.hpp"
#include "publishing_tools.hpp"
#include "runner.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// Part D of the conformance suite: order per key, and concurrency between keys.
namespace cobus::testing::detail {

/// A handler's own time, from its event, so that runs differ: none, a turn, or up to 200 µs.
inline auto take_time(std::uint64_t number) -> net::awaitable<void> {
    const std::uint64_t mixed = (number + 1) * 0x9E3779B97F4A7C15U >> 56U;
    if (mixed % 4 == 0) {
        co_return;
    }
    if (mixed % 4 == 1) {
        co_await net::post(net::use_awaitable);
        co_return;
    }
    net::steady_timer timer(co_await net::this_coro::executor,
                            std::chrono::microseconds(mixed % 200));
    co_await timer.async_wait(net::use_awaitable);
}

/// Publishes numbers from `first` on over so many keys, and waits for all of them.
inline auto publish_over_keys(bus& to, std::size_t keys, std::uint64_t first, std::size_t count)
    -> net::awaitable<void> {
    std::vector<note> events;
    events.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        events.push_back(make_note("key-" + std::to_string((first + i) % keys), first + i));
    }
    const auto results = co_await to.publish_all(events);
    for (const publish_result& each : results) {
        expect_equal(each.ec, std::error_code(), "a publish");
    }
}

/// Of each key, the numbers in the order of their first delivery.
[[nodiscard]] inline auto first_deliveries(const std::vector<seen_note>& all)
    -> std::map<std::string, std::vector<std::uint64_t>> {
    std::map<std::string, std::vector<std::uint64_t>> by_key;
    for (const seen_note& each : all) {
        auto& numbers = by_key[each.event.key];
        if (std::find(numbers.rbegin(), numbers.rend(), each.event.number) == numbers.rend()) {
            numbers.push_back(each.event.number);
        }
    }
    return by_key;
}
inline void expect_order_per_key(const std::vector<seen_note>& all) {
    for (const auto& [key, numbers] : first_deliveries(all)) {
        expect(std::is_sorted(numbers.begin(), numbers.end()),
               "the events of " + key + " begin in the order of their publishing");
    }
}

inline auto c30_order_per_key(world& w) -> net::awaitable<void> {
    const std::size_t count = 16 * w.choose(1000, 60);
    w.notes();
    const auto bus = w.make_bus(w.settings().queue(2 * count, std::size_t{64} << 20U));
    auto& begun = w.new_journal<seen_note>();
    auto& ended = w.new_journal<seen_note>();
    auto reader = bus->on<note>(handler("reader").concurrency(32),
                                [&](const note& event, context& where) -> net::awaitable<void> {
                                    seen_note entry = seen_note::of(event, where);
                                    begun.add(entry);
                                    co_await take_time(event.number);
                                    ended.add(std::move(entry));
                                });
    co_await bus->start();
    for (std::size_t at = 0; at < count; at += 480) {
        co_await publish_over_keys(*bus, 16, at, (std::min<std::size_t>)(480, count - at));
    }
    co_await w.eventually([&] { return ended.size() >= count; }, "all events");
    co_await bus->stop();
    expect_equal(numbers_of(ended.all()).size(), count, "different events");
    expect_order_per_key(begun.all());
    expect_order_per_key(ended.all());
}

inline auto c31_keys_overlap(world& w) -> net::awaitable<void> {
    w.notes(1);
    const auto bus = w.make_bus();
    auto& held = w.new_gate();
    auto& seen = w.new_journal<seen_note>();
    auto& running = w.make<gauge>();
    auto reader = bus->on<note>(handler("reader"),
                                [&](const note& event, context& where) -> net::awaitable<void> {
                                    const gauge::part counted(running);
                                    const bool slow = event.key == "slow";
                                    seen_note entry = seen_note::of(event, where);
                                    if (slow) {
                                        co_await held.pass();
                                    } else {
                                        co_await net::post(net::use_awaitable);
                                    }
                                    seen.add(std::move(entry));
                                });
    co_await bus->start();
    co_await publish_notes(*bus, "slow", 0, 2);
    co_await publish_notes(*bus, "quick", 2, 50);
    co_await w.eventually([&] { return seen.size() >= 50; }, "the quick key behind a slow one");
    expect(running.most() >= 2, "two keys run at the same time");
    held.open();
    co_await w.eventually([&] { return seen.size() >= 52; }, "the slow key");
    co_await bus->stop();
}

inline auto c32_one_at_a_time(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(800, 200);
    w.notes();
    const auto bus = w.make_bus();
    auto& running = w.make<std::array<gauge, 4>>();
    auto& all_running = w.make<gauge>();
    auto& seen = w.new_journal<std::uint64_t>();
    auto reader = bus->on<note>(handler("reader"), [&](const note& event) -> net::awaitable<void> {
        const std::uint64_t number = event.number;
        {
            const gauge::part counted(running[number % 4]);
            const gauge::part counted_too(all_running);
            co_await net::post(net::use_awaitable);
            co_await take_time(number);
        }
        seen.add(number);
    });
    co_await bus->start();
    co_await publish_over_keys(*bus, 4, 0, count);
    co_await w.eventually([&] { return seen.size() >= count; }, "all events");
    co_await bus->stop();
    for (const gauge& each : running) {
        expect_equal(each.most(), std::size_t{1}, "handlers of one key at the same time");
    }
    expect(all_running.most() > 1, "keys run at the same time");
}

inline auto c33_failing_key(world& w) -> net::awaitable<void> {
    w.notes(1);
    const auto bus = w.make_bus();
    auto& mended = w.make<std::atomic<bool>>(false);
    auto& seen = w.new_journal<seen_note>();
    auto reader = bus->on<note>(handler("reader").retry(retry_policy().attempts(100'000)),
                                [&](const note& event, context& where) {
                                    seen.add(seen_note::of(event, where));
                                    return event.number == 0 && !mended.load()
                                               ? outcome::retry_after(std::chrono::milliseconds(20),
                                                                      "not yet")
                                               : outcome::done();
                                });
    co_await bus->start();
    co_await publish_notes(*bus, "failing", 0, 5);
    co_await publish_notes(*bus, "other", 10, 20);
    const auto of = [&](std::string_view key) {
        return seen.count([key](const seen_note& each) { return each.event.key == key; });
    };
    co_await w.eventually([&] { return of("other") == 20 && of("failing") >= 3; },
                          "the other key, and three tries of the failing one");
    for (const seen_note& each : seen.all()) {
        expect(each.event.key == "other" || each.event.number == 0,
               "events behind a failing one of their key wait");
    }
    mended.store(true);
    co_await w.eventually([&] { return numbers_of(seen.all()).size() == 25; }, "the rest");
    co_await bus->stop();
    expect_order_per_key(seen.all());
    expect_equal(of("other"), std::size_t{20}, "runs of the other key");
}

inline auto c34_limits(world& w) -> net::awaitable<void> {
    const std::size_t count = 40;
    w.notes();
    const auto bus = w.make_bus(w.settings().concurrency(12));
    auto& opened = w.new_gate();
    auto& begun = w.new_journal<std::uint64_t>();
    auto& ended = w.new_journal<std::uint64_t>();
    auto& all = w.make<gauge>();
    auto& own = w.make<std::array<gauge, 2>>();
    const auto work = [&](std::size_t which) {
        return [&, which](const note& event) -> net::awaitable<void> {
            const std::uint64_t number = event.number;
            {
                const gauge::part counted(all);
                const gauge::part counted_too(own[which]);
                begun.add(number);
                co_await opened.pass();
                co_await take_time(number);
            }
            ended.add(number);
        };
    };
    auto first = bus->on<note>(handler("first").concurrency(8), work(0));
    auto second = bus->on<note>(handler("second").concurrency(8), work(1));
    co_await bus->start();
    co_await publish_over_keys(*bus, count, 0, count);
    co_await w.eventually([&] { return begun.size() >= 12; }, "as many handlers as may run");
    co_await w.settle();
    expect_equal(begun.size(), std::size_t{12}, "handlers running while none may end");
    opened.open();
    co_await w.eventually([&] { return ended.size() >= 2 * count; }, "all events, twice");
    co_await bus->stop();
    expect_equal(all.most(), std::size_t{12}, "handlers at the same time");
    for (const gauge& each : own) {
        expect(each.most() <= 8, "one handler keeps its own limit");
    }
}

/// A note that counts how many of it were decoded: what a bus holds, it has decoded.
struct counted_note {
    std::uint64_t number = 0;
};

struct counted_note_codec {
    static constexpr std::string_view content_type = "text/plain";

    [[nodiscard]] static auto encode(const counted_note& event, std::string& out) -> codec_result {
        out.append(std::to_string(event.number));
        return codec_result();
    }
    [[nodiscard]] static auto decode(std::string_view bytes, counted_note& into) -> codec_result {
        decoded().fetch_add(1);
        const auto end = std::from_chars(bytes.data(), bytes.data() + bytes.size(), into.number);
        return end.ec == std::errc() ? codec_result() : codec_result("no number");
    }
    [[nodiscard]] static auto decoded() -> std::atomic<std::size_t>& {
        static std::atomic<std::size_t> count{0};
        return count;
    }
};

} // namespace cobus::testing::detail

template <> struct cobus::contract<cobus::testing::detail::counted_note> {
    static constexpr std::string_view type = "cobus.testing.counted",
                                      topic = "cobus.testing.counted";
    using codec = cobus::testing::detail::counted_note_codec;
};

namespace cobus::testing::detail {

inline auto c35_stalled_handlers(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(4000, 2500);
    const std::size_t most_held = 1024 + 64; // unfinished messages of a partition, and a batch
    const std::string topic = w.topic("counted", 1);
    cobus::settings how = w.settings();
    how.topic(contract<counted_note>::topic, topic)
        .partitions(1)
        .serialise()
        .queue(2 * count, std::size_t{64} << 20U)
        .retention(4 * count);
    const auto bus = w.make_bus(std::move(how));
    auto& opened = w.new_gate();
    auto& seen = w.new_journal<std::uint64_t>();
    auto reader = bus->on<counted_note>(handler("reader"),
                                        [&](const counted_note& event) -> net::awaitable<void> {
                                            const std::uint64_t number = event.number;
                                            co_await opened.pass();
                                            seen.add(number);
                                        });
    const std::size_t before = counted_note_codec::decoded().load();
    co_await bus->start();
    std::vector<counted_note> events(count);
    for (std::size_t i = 0; i < count; ++i) {
        events[i].number = i;
    }
    co_await bus->publish_all(events);
    const auto held = [&] { return counted_note_codec::decoded().load() - before; };
    co_await w.sooner_or_later([&] { return held() >= 1024; }, "the bus to be full");
    co_await w.pass_time(w.traits().member_silence + std::chrono::milliseconds(500));
    expect(held() <= most_held, std::to_string(held()) + " events are held by stalled handlers");
    opened.open();
    co_await w.eventually([&] { return seen.size() >= count; }, "all events");
    co_await bus->stop();
    const auto all = seen.all();
    expect_equal(all.size(), count, "runs: the member stayed in its group");
    expect(std::is_sorted(all.begin(), all.end()), "events without a key are in order");
}

// A case reads best in one piece. NOLINTNEXTLINE(readability-function-size)
inline auto c36_fairness(world& w) -> net::awaitable<void> {
    const std::size_t light = w.choose(300, 150);
    const std::size_t heavy = 10 * light;
    const std::size_t count = heavy + 7 * light;
    w.notes(8);
    const auto make = [&](std::string_view group) {
        cobus::settings how = w.settings(group);
        how.partitions(8).queue(2 * count, std::size_t{64} << 20U).retention(4 * count);
        return w.make_bus(std::move(how));
    };
    const auto writer = make("writer");
    co_await writer->start();
    auto& published = w.new_journal<published_note>();
    for (std::size_t i = 0; i < count; ++i) {
        const auto to = static_cast<std::int32_t>(i < heavy ? 0 : 1 + i % 7);
        const note event = make_note(std::to_string(to) + "-" + std::to_string(i % 13), i);
        writer->publish(event, with().partition(to),
                        [&published](std::error_code ec, const receipt&) {
                            published_note entry;
                            entry.ec = ec;
                            published.add(std::move(entry));
                        });
    }
    co_await w.eventually([&] { return published.size() >= count; }, "all publishes");
    for (const published_note& each : published.all()) {
        expect_equal(each.ec, std::error_code(), "a publish");
    }
    co_await writer->stop();

    const auto bus = make("reader");
    auto& seen = w.new_journal<seen_note>();
    auto reader = bus->on<note>(handler("reader").concurrency(4),
                                [&](const note& event, context& where) -> net::awaitable<void> {
                                    seen.add(seen_note::of(event, where));
                                    co_await net::post(net::use_awaitable);
                                });
    co_await bus->start();
    co_await w.eventually([&] { return seen.size() >= count; }, "all events");
    co_await bus->stop();
    const std::vector<seen_note> all = seen.all();
    std::vector<std::size_t> quiet;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].partition != 0) {
            quiet.push_back(i);
        }
    }
    expect_equal(all.size(), count, "events");
    // What a busy partition may have in a bus, and what came in one answer of the broker.
    const std::size_t ahead = 7 * light + heavy / 2;
    // The system may let a thread sleep with one of them, and more of its key behind it.
    const std::size_t most = quiet.at(quiet.size() - quiet.size() / 10);
    expect(most < ahead, "nine of ten of the quiet partitions had come only by event " +
                             std::to_string(most) + " of " + std::to_string(count));
}

[[nodiscard]] inline auto order_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    return {
        {"C30",
         "the events of each key are handled in order, whatever time each takes",
         c30_order_per_key,
         {&t::ordered_per_key}},
        {"C31", "a slow key does not delay another of its partition", c31_keys_overlap, {}},
        {"C32", "two events of one key never run at the same time", c32_one_at_a_time, {}},
        {"C33",
         "a failing key holds up only itself, and keeps its order",
         c33_failing_key,
         {&t::ordered_per_key}},
        {"C34", "no more handlers run than the bus and each of them allow", c34_limits, {}},
        {"C35",
         "stalled handlers stop the fetching, and nobody is thrown out of the group",
         c35_stalled_handlers,
         {&t::ordered_per_key}},
        {"C36",
         "seven quiet partitions do not wait for a busy one",
         c36_fairness,
         {&t::replay, &t::groups}},
    };
}

} // namespace cobus::testing::detail
