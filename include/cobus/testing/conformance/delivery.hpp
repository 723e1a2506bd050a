#pragma once

#include "data.hpp"
#include "publishing_tools.hpp"
#include "runner.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// Part C of the conformance suite: delivery at least once.
namespace cobus::testing::detail {

inline auto c20_throws_first(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(100, 20);
    w.notes();
    const auto bus = w.make_bus();
    auto& seen = w.new_journal<seen_note>();
    auto reader = bus->on<note>(handler("reader").retry(retry_policy().backoff(
                                    std::chrono::milliseconds(1), std::chrono::milliseconds(5))),
                                [&seen](const note& event, context& where) -> net::awaitable<void> {
                                    seen.add(seen_note::of(event, where));
                                    co_await net::post(net::use_awaitable);
                                    if (where.attempt() == 1) {
                                        throw std::runtime_error("the first time");
                                    }
                                });
    co_await bus->start();
    for (std::size_t i = 0; i < count; ++i) {
        co_await publish_notes(*bus, std::to_string(i % 7), i, 1);
    }
    co_await w.eventually([&] { return seen.size() >= 2 * count; }, "two tries of each");
    co_await bus->stop();
    std::map<std::uint64_t, std::vector<unsigned>> attempts;
    for (const seen_note& each : seen.all()) {
        attempts[each.event.number].push_back(each.attempt);
    }
    expect_equal(attempts.size(), count, "events");
    for (const auto& [number, tries] : attempts) {
        expect(tries == std::vector<unsigned>{1, 2},
               "event " + std::to_string(number) + " is tried twice");
    }
}

/// A bus of the group whose handler writes down what it gets, and waits at the gate from number
/// `from` on.
class crashing_bus {
public:
    crashing_bus(world& w, std::uint64_t first_blocked, std::uint64_t last_blocked,
                 order how = order::by_key)
        : seen_(&w.new_journal<seen_note>()), bus_(w.make_bus()) {
        reader_ =
            bus_->on<note>(handler("reader").ordered(how),
                           [seen = seen_, closed = &w.new_gate(), first_blocked, last_blocked](
                               const note& event, context& where) -> net::awaitable<void> {
                               seen->add(seen_note::of(event, where));
                               if (event.number >= first_blocked && event.number <= last_blocked) {
                                   co_await closed->pass();
                               }
                           });
    }
    [[nodiscard]] auto operator->() const noexcept -> bus* { return bus_.get(); }
    [[nodiscard]] auto operator*() const noexcept -> bus& { return *bus_; }
    [[nodiscard]] auto seen() const noexcept -> journal<seen_note>& { return *seen_; }
    [[nodiscard]] auto numbers() const -> std::set<std::uint64_t> {
        return numbers_of(seen_->all());
    }
    void crash() { bus_.reset(); }

private:
    journal<seen_note>* seen_;
    std::unique_ptr<bus> bus_;
    subscription reader_;
};

inline constexpr std::uint64_t nothing = ~std::uint64_t{0};

inline auto c21_crash(world& w) -> net::awaitable<void> {
    w.notes(1);
    crashing_bus first(w, nothing, nothing);
    co_await first->start();
    co_await publish_notes(*first, "k", 0, 10);
    co_await w.eventually([&] { return first.numbers().size() == 10; }, "the first ten");
    co_await first->stop();

    crashing_bus second(w, 10, nothing);
    co_await second->start();
    co_await publish_notes(*second, "k", 10, 10);
    co_await w.eventually([&] { return second.seen().size() >= 1; }, "the first that is not ended");
    second.crash();

    crashing_bus third(w, nothing, nothing);
    co_await third->start();
    co_await w.eventually([&] { return third.numbers().size() >= 10; }, "what was not committed");
    co_await third->stop();
    expect_equal(*third.numbers().begin(), std::uint64_t{10}, "the first after the commit");
    expect_equal(*second.numbers().begin(), std::uint64_t{10}, "the first after the first stop");
    expect(in_order(third.seen().all()), "they are in order");
}

inline auto c24_lowest_unfinished(world& w) -> net::awaitable<void> {
    w.notes(1);
    crashing_bus first(w, 0, 0, order::unordered);
    co_await first->start();
    co_await publish_notes(*first, "k", 0, 10);
    co_await w.eventually([&] { return first.numbers().size() == 10; }, "all ten begun");
    co_await first->stop(std::chrono::seconds(1)); // commits what may be committed

    crashing_bus second(w, nothing, nothing);
    co_await second->start();
    co_await publish_notes(*second, "k", 10, 1); // of the same key, so behind what comes again
    co_await w.eventually([&] { return second.numbers().contains(10); }, "the next one");
    co_await second->stop();
    expect_equal(*second.numbers().begin(), std::uint64_t{0}, "the one that never ended");

    crashing_bus third(w, nothing, nothing);
    co_await third->start();
    co_await publish_notes(*third, "k", 11, 1);
    co_await w.eventually([&] { return third.numbers().contains(11); }, "the last one");
    co_await third->stop();
    expect_equal(third.numbers().size(), std::size_t{1}, "events left once all are committed");
}

inline auto c24_stop(world& w) -> net::awaitable<void> {
    w.notes(1);
    auto& begun = w.new_journal<std::uint64_t>();
    auto& stopped = w.new_journal<std::error_code>();
    auto& closed = w.new_gate();
    const auto first = w.make_bus();
    auto reader = first->on<note>(handler("reader"),
                                  [&begun, &closed](const note& event) -> net::awaitable<void> {
                                      begun.add(event.number);
                                      co_await closed.pass();
                                  });
    co_await first->start();
    co_await publish_notes(*first, "k", 0, 1);
    co_await w.eventually([&] { return begun.size() == 1; }, "the handler");
    first->stop(std::chrono::seconds(20), [&stopped](std::error_code ec) { stopped.add(ec); });
    co_await w.settle();
    closed.open();
    co_await w.eventually([&] { return stopped.size() == 1; }, "the stop");

    crashing_bus second(w, nothing, nothing);
    co_await second->start();
    co_await publish_notes(*second, "k", 1, 1);
    co_await w.eventually([&] { return second.numbers().contains(1); }, "the next one");
    co_await second->stop();
    expect_equal(*second.numbers().begin(), std::uint64_t{1}, "the first after the stop");
}

inline auto c24_map(world& w) -> net::awaitable<void> {
    w.notes(1);
    crashing_bus first(w, 0, 0, order::unordered);
    co_await first->start();
    co_await publish_notes(*first, "k", 0, 10);
    co_await w.eventually([&] { return first.numbers().size() == 10; }, "all ten begun");
    co_await first->stop(std::chrono::seconds(1));

    crashing_bus second(w, 0, 0, order::unordered); // and once more, so that the map is handed on
    co_await second->start();
    co_await publish_notes(*second, "k", 10, 2);
    co_await w.eventually([&] { return second.numbers().contains(11); }, "the next ones");
    co_await second->stop(std::chrono::seconds(1));
    const std::set<std::uint64_t> again{0, 10, 11};
    expect(second.numbers() == again, "only the one that never ended comes again");

    crashing_bus third(w, nothing, nothing);
    co_await third->start();
    co_await publish_notes(*third, "k", 12, 1);
    co_await w.eventually([&] { return third.numbers().contains(12); }, "the last one");
    co_await third->stop();
    const std::set<std::uint64_t> last{0, 12};
    expect(third.numbers() == last, "only the one that never ended comes again, after two stops");
}

inline auto c24_crash(world& w) -> net::awaitable<void> {
    w.notes(1);
    crashing_bus first(w, 0, 0, order::unordered);
    co_await first->start();
    co_await publish_notes(*first, "k", 0, 10);
    co_await w.eventually([&] { return first.numbers().size() == 10; }, "all ten begun");
    first.crash();

    crashing_bus second(w, nothing, nothing);
    co_await second->start();
    co_await w.eventually([&] { return second.numbers().contains(0); }, "the one that never ended");
    co_await second->stop();
}

inline auto c27_cancelled(world& w) -> net::awaitable<void> {
    const std::string topic = w.notes(1);
    const std::string dead = world::dead_letters_of(topic);
    w.fixture().create_topic(dead, 1);
    crashing_bus first(w, 0, 0);
    co_await first->start();
    co_await publish_notes(*first, "k", 0, 1);
    co_await w.eventually([&] { return first.seen().size() == 1; }, "the handler to run");
    co_await first->stop(std::chrono::milliseconds(500)); // cancels it

    crashing_bus second(w, nothing, nothing);
    auto& letters = w.new_journal<seen_message>();
    auto watch = second->on_any(handler("letters"), std::vector<std::string>(1, dead),
                                [&letters](const message& content, context& where) {
                                    letters.add(seen_message::of(content, where));
                                });
    co_await second->start();
    co_await w.eventually([&] { return second.seen().size() >= 1; }, "it again");
    message last = make_message(dead, "last");
    last.payload("last");
    co_await second->publish(std::move(last));
    co_await w.eventually([&] { return letters.size() >= 1; }, "the last dead letter");
    co_await second->stop();
    expect_equal(letters.all().front().id, "last", "the first dead letter");
    expect_equal(second.seen().all().front().attempt, 1U, "the attempt after a cancelled one");
}

[[nodiscard]] inline auto delivery_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    return {
        {"C20", "an event whose handler throws comes again", c20_throws_first, {}},
        {"C21",
         "what was not committed before a crash comes again, what was does not",
         c21_crash,
         {&t::durable}},
        {"C24",
         "nothing beyond the lowest unfinished event is committed by a stop",
         c24_lowest_unfinished,
         {&t::durable}},
        {"C24.map",
         "what was finished beyond an unfinished event does not come again",
         c24_map,
         {&t::durable, &t::metadata_commit}},
        {"C24.crash",
         "nothing beyond the lowest unfinished event is committed before a crash",
         c24_crash,
         {&t::durable}},
        {"C24.stop",
         "what a handler ends while the bus stops is committed",
         c24_stop,
         {&t::durable}},
        {"C27",
         "an event whose handler was cancelled is neither committed nor dead-lettered",
         c27_cancelled,
         {&t::durable}},
    };
}

} // namespace cobus::testing::detail
