#pragma once

#include "../../middleware/deduplication.hpp"
#include "publishing_tools.hpp"
#include "runner.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

/// Part I of the conformance suite: copies of an event are handled once.
namespace cobus::testing::detail {

/// Publishes a note under an id of its number.
inline auto publish_copy(bus& to, std::string key, std::uint64_t number) -> net::awaitable<void> {
    const note event = make_note(std::move(key), number);
    const publish_options named = with().id("note-" + std::to_string(number));
    co_await to.publish(event, named);
}

inline auto c80_duplicates(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(50, 10);
    w.notes();
    const auto bus = w.make_bus();
    auto& tries = w.new_journal<seen_note>();
    auto& handled = w.new_journal<seen_note>();
    auto once = bus->on<note>(handler("once")
                                  .deduplicate(std::make_shared<memory_deduplication>())
                                  .retry(retry_policy().backoff(std::chrono::milliseconds(1),
                                                                std::chrono::milliseconds(5))),
                              [&](const note& event, context& where) -> net::awaitable<void> {
                                  tries.add(seen_note::of(event, where));
                                  co_await net::post(net::use_awaitable);
                                  if (where.attempt() == 1) {
                                      throw std::runtime_error("the first time");
                                  }
                                  handled.add(seen_note::of(event, where));
                              });
    auto& all = w.new_journal<seen_note>();
    auto witness = bus->on<note>("witness", [&all](const note& event, context& where) {
        all.add(seen_note::of(event, where));
    });
    co_await bus->start();
    for (std::size_t copy = 0; copy < 3; ++copy) {
        for (std::size_t i = 0; i < count; ++i) {
            co_await publish_copy(*bus, std::to_string(i % 7), i);
        }
    }
    co_await w.eventually([&] { return all.size() >= 3 * count; }, "all copies");
    co_await w.eventually([&] { return handled.size() >= count; }, "each event once");
    co_await bus->stop();
    expect_equal(handled.size(), count, "successful runs");
    expect_equal(numbers_of(handled.all()).size(), count, "events handled");
    expect_equal(tries.size(), 2 * count, "runs, with the first tries that failed");
}

inline auto c81_concurrent_duplicates(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(20, 5);
    constexpr std::size_t copies = 4;
    w.notes();
    const auto bus = w.make_bus();
    auto& all = w.new_journal<seen_note>();
    auto& handled = w.new_journal<seen_note>();
    auto& door = w.new_gate();
    auto& running = w.make<std::atomic<std::size_t>>(std::size_t{0});
    auto once = bus->on<note>(handler("once")
                                  .deduplicate(std::make_shared<memory_deduplication>())
                                  .ordered(order::unordered)
                                  .concurrency(copies * count),
                              [&](const note& event, context& where) -> net::awaitable<void> {
                                  ++running;
                                  w.changed().set();
                                  co_await door.pass();
                                  handled.add(seen_note::of(event, where));
                              });
    auto witness = bus->on<note>("witness", [&all](const note& event, context& where) {
        all.add(seen_note::of(event, where));
    });
    co_await bus->start();
    for (std::size_t copy = 0; copy < copies; ++copy) { // each under another key
        for (std::size_t i = 0; i < count; ++i) {
            co_await publish_copy(*bus, std::to_string(copy), i);
        }
    }
    co_await w.eventually([&] { return all.size() >= copies * count && running == count; },
                          "one run of each event, and all copies");
    co_await w.settle();
    expect_equal(running.load(), count, "runs while copies of each wait");
    door.open();
    co_await w.eventually([&] { return handled.size() >= count; }, "each event once");
    co_await w.settle();
    co_await bus->stop();
    expect_equal(running.load(), count, "runs");
    expect_equal(numbers_of(handled.all()).size(), count, "events handled");
}

[[nodiscard]] inline auto idempotency_cases() -> std::vector<case_definition> {
    return {
        {"I80",
         "a copy is passed over once an event is handled, and a failed first try is run again",
         c80_duplicates,
         {}},
        {"I81",
         "of copies at the same time one runs and the others wait",
         c81_concurrent_duplicates,
         {}},
    };
}

} // namespace cobus::testing::detail
