#pragma once

#include "../../middleware/deduplication.hpp"
#include "../../outbox/outbox.hpp"
#include "order.hpp"
#include "outbox_table.hpp"
#include "publishing_tools.hpp"
#include "runner.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// Part I of the conformance suite: what an outbox's relay publishes.
namespace cobus::testing::detail {

[[nodiscard]] inline auto note_row(const std::string& topic, const note& event) -> outbox_row {
    std::string bytes;
    (void)note_codec::encode(event, bytes);
    message content(topic, contract<note>::type, bytes);
    content.key(event.key);
    content.source("conformance");
    content.id(message_id::make(cobus::detail::coarse_now()));
    content.time(std::chrono::time_point_cast<time_point::duration>(cobus::detail::coarse_now()));
    return cobus::detail::to_row(content, -1, std::nullopt);
}

inline auto c82_relay_dies(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(100, 20);
    const std::string topic = w.notes();
    auto& table = w.make<outbox_table>();
    auto& handled = w.new_journal<seen_note>();
    auto& ids = w.new_journal<std::string>();
    const auto bus = w.make_bus();
    auto once = bus->on<note>(
        handler("once").deduplicate(std::make_shared<memory_deduplication>()),
        [&](const note& event, context& in) { handled.add(seen_note::of(event, in)); });
    auto witness = bus->on<note>(
        "witness", [&](const note& /*event*/, context& in) { ids.add(in.content().id().str()); });
    co_await bus->start();
    for (std::size_t i = 0; i < count; ++i) {
        table.add(note_row(topic, make_note(std::to_string(i % 7), i)));
    }
    const auto briefly = outbox_options().lease(std::chrono::seconds(1));
    {
        const outbox dying(*bus, table.store(true), w.context().get_executor(), briefly);
        dying.start();
        co_await w.eventually([&] { return ids.size() >= count; }, "all events");
    }
    expect_equal(table.size(), count, "rows, when their relay died before it deleted them");
    outbox next(*bus, table.store(), w.context().get_executor(), briefly);
    next.start();
    co_await w.sooner_or_later([&] { return table.size() == 0; }, "the rows to be deleted");
    co_await w.eventually([&] { return ids.size() >= 2 * count; }, "all events once more");
    co_await next.stop();
    co_await bus->stop();
    const std::vector<std::string> all = ids.all();
    expect_equal(std::set<std::string>(all.begin(), all.end()).size(), count, "different ids");
    expect_equal(handled.size(), count, "events handled where copies are passed over");
}

inline auto c83_two_relays(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(400, 80);
    const std::string topic = w.notes();
    auto& table = w.make<outbox_table>();
    auto& seen = w.new_journal<seen_note>();
    const auto one = w.make_bus();
    const auto two = w.make_bus("two");
    auto reader = one->on<note>(handler("reader"), [&](const note& event, context& in) {
        seen.add(seen_note::of(event, in));
    });
    co_await one->start();
    co_await two->start();
    const auto half = outbox_options().shards(8);
    outbox first(*one, table.store(), w.context().get_executor(), half);
    outbox second(*two, table.store(), w.context().get_executor(), half);
    first.start();
    second.start();
    const auto add = [&](std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; ++i) {
            table.add(note_row(topic, make_note(std::to_string(i % 16), i)));
        }
        first.committed();
        second.committed();
    };
    add(0, count / 2);
    const std::int64_t late = table.next_place();
    add(count / 2, count);
    co_await w.eventually([&] { return numbers_of(seen.all()).size() >= count; }, "all events");
    table.add(note_row(topic, make_note("late", count)), late);
    first.committed();
    second.committed();
    co_await w.eventually([&] { return numbers_of(seen.all()).contains(count); },
                          "the event that was committed late");
    // They count a batch when it ended, which may be after the handlers were through with it.
    co_await w.sooner_or_later(
        [&] { return first.status().published > 0 && second.status().published > 0; },
        "both to take part");
    co_await first.stop();
    co_await second.stop();
    co_await two->stop();
    co_await one->stop();
    expect_order_per_key(seen.all());
}

[[nodiscard]] inline auto relaying_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    return {
        {"I82",
         "a relay that dies between publishing and deleting publishes again, with the same ids",
         c82_relay_dies,
         {}},
        {"I83",
         "two relays keep the order of each key, and a row that is committed late is not missed",
         c83_two_relays,
         {&t::ordered_per_key, &t::several_instances}},
    };
}

} // namespace cobus::testing::detail
