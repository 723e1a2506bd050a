#pragma once

#include "data.hpp"
#include "publishing_tools.hpp"
#include "runner.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// Part G of the conformance suite: starting, stopping and being destroyed.
namespace cobus::testing::detail {

/// A bus whose handlers stop at a gate, many at once.
class waiting_bus {
public:
    explicit waiting_bus(world& w)
        : gate_(&w.new_gate()),
          begun_(&w.new_journal<std::uint64_t>()),
          ended_(&w.new_journal<std::uint64_t>()),
          bus_(w.make_bus(w.settings().concurrency(100))) {
        reader_ = bus_->on<note>(handler("reader").concurrency(100).ordered(order::unordered),
                                 [closed = gate_, begun = begun_,
                                  ended = ended_](const note& event) -> net::awaitable<void> {
                                     const std::uint64_t number = event.number;
                                     begun->add(number);
                                     co_await closed->pass();
                                     ended->add(number);
                                 });
    }
    [[nodiscard]] auto operator->() const noexcept -> bus* { return bus_.get(); }
    [[nodiscard]] auto begun() const noexcept -> journal<std::uint64_t>& { return *begun_; }
    [[nodiscard]] auto ended() const noexcept -> journal<std::uint64_t>& { return *ended_; }
    void open() { gate_->open(); }
    void destroy() { bus_.reset(); }

    /// Publishes twice as many events as may be handled at once, and waits until that many are.
    auto fill(world& w) -> net::awaitable<void> {
        co_await bus_->start();
        std::vector<note> events;
        events.reserve(200);
        for (std::uint64_t i = 0; i < 200; ++i) {
            events.push_back(make_note(std::to_string(i), i));
        }
        const auto results = co_await bus_->publish_all(events);
        for (const publish_result& each : results) {
            expect_equal(each.ec, std::error_code(), "a publish");
        }
        co_await w.eventually([this] { return begun_->size() >= 100; }, "100 handlers at once");
    }

private:
    gate* gate_;
    journal<std::uint64_t>* begun_;
    journal<std::uint64_t>* ended_;
    std::unique_ptr<bus> bus_;
    subscription reader_;
};

inline auto c60_drain(world& w) -> net::awaitable<void> {
    w.notes();
    waiting_bus bus(w);
    co_await bus.fill(w);
    auto& stopped = w.new_journal<std::error_code>();
    bus->stop(std::chrono::seconds(20), [&stopped](std::error_code ec) { stopped.add(ec); });
    co_await w.settle();
    const std::size_t early = stopped.size();
    bus.open();
    expect_equal(early, std::size_t{0}, "stops that ended before the handlers");
    co_await w.eventually([&] { return stopped.size() == 1; }, "the stop");
    const std::size_t begun = bus.begun().size();
    expect_equal(stopped.all().front(), std::error_code(), "the stop");
    expect_equal(bus.ended().size(), begun, "handlers that ran to their end");
    co_await w.settle();
    expect_equal(bus.begun().size(), begun, "handlers called after the stop");
}

inline auto c60_abort(world& w) -> net::awaitable<void> {
    w.notes();
    waiting_bus bus(w);
    co_await bus.fill(w);
    const auto before = std::chrono::steady_clock::now();
    const std::chrono::milliseconds limit(500);
    co_await bus->stop(limit);
    const auto took = std::chrono::steady_clock::now() - before;
    const std::size_t begun = bus.begun().size();
    expect(took < limit + std::chrono::seconds(3), "stop keeps its limit");
    co_await w.settle();
    bus.open();
    co_await w.settle();
    expect_equal(bus.begun().size(), begun, "handlers called after the stop");
    expect_equal(bus.ended().size(), std::size_t{0}, "cancelled handlers that went on");
}

inline auto c61_stops_at_once(world& w) -> net::awaitable<void> {
    w.notes();
    const auto bus = w.make_bus();
    auto& seen = w.new_journal<std::uint64_t>();
    auto& stopped = w.new_journal<std::error_code>();
    auto reader = bus->on<note>(handler("reader"), [&seen](const note& event, context& where) {
        seen.add(event.number);
        where.request_stop();
    });
    co_await bus->start();
    const auto stop = [&] {
        bus->stop(std::chrono::seconds(20), [&stopped](std::error_code ec) { stopped.add(ec); });
    };
    co_await publish_notes(*bus, "k", 0, 1);
    co_await w.eventually([&] { return seen.size() >= 1; }, "the handler that stops the bus");
    for (int i = 0; i < 10; ++i) {
        net::post(w.context(), stop);
    }
    co_await w.eventually([&] { return stopped.size() >= 10; }, "ten stops");
    co_await bus->stop();
    for (const std::error_code& each : stopped.all()) {
        expect_equal(each, std::error_code(), "one of ten stops");
    }
    co_await w.settle();
    expect_equal(stopped.size(), std::size_t{10}, "each is told once");
}

inline auto c62_handlers_change(world& w) -> net::awaitable<void> {
    w.notes();
    const std::string other = w.topic("other");
    const auto bus = w.make_bus();
    auto& first = w.make<std::optional<subscription>>();
    auto& second = w.make<std::optional<subscription>>();
    auto& seen_first = w.new_journal<std::uint64_t>();
    auto& seen_second = w.new_journal<seen_message>();
    first = bus->on<note>(handler("first"), [&, to = bus.get()](const note& event) {
        second = to->on_any(handler("second"), std::vector<std::string>(1, other),
                            [&seen_second](const message& content, context& where) {
                                seen_second.add(seen_message::of(content, where));
                            });
        const std::uint64_t number = event.number;
        first.reset();
        seen_first.add(number);
    });
    co_await bus->start();
    co_await publish_notes(*bus, "k", 0, 1);
    co_await w.eventually([&] { return seen_first.size() == 1; }, "the handler that goes");
    co_await second->ready();
    co_await publish_notes(*bus, "k", 1, 5);
    message content = make_message(other, "other");
    content.payload("x");
    co_await bus->publish(std::move(content));
    co_await w.eventually([&] { return seen_second.size() >= 1; }, "the handler that came");
    co_await second->close();
    co_await bus->stop();
    expect_equal(seen_first.size(), std::size_t{1}, "calls of the handler that went");
    expect_equal(seen_second.size(), std::size_t{1}, "calls of the handler that came");
    first.reset();
    second.reset();
}

inline auto c63_destroyed(world& w) -> net::awaitable<void> {
    narrow_bus bus(w);
    co_await bus.start();
    const std::size_t count = narrow_bus::room + narrow_bus::slack + 100;
    for (std::uint64_t i = 1; i <= count; ++i) {
        bus.publish(i);
    }
    bus.destroy();
    co_await w.eventually([&] { return bus.ended().size() >= count; }, "the end of each publish");
    w.fixture().resume();
    co_await w.settle();
    expect_equal(bus.ended().size(), count, "each is told once");
    expect_equal(numbers_of(bus.ended().all()).size(), count, "each is told");
    for (const published_note& each : bus.ended().all()) {
        expect(!each.ec || each.ec == errc::closed || each.ec == errc::maybe_sent,
               "the publish of a bus that is gone ends as closed or maybe_sent, not as " +
                   each.ec.message());
    }
}

struct no_exception {
    int what = 0;
};

/// Throws something different for each number.
inline void throw_one(std::uint64_t number) {
    switch (number) {
    case 0:
        throw std::runtime_error("an ordinary one");
    case 1:
        throw 42; // NOLINT(hicpp-exception-baseclass): it is what the case is about
    case 2:
        throw no_exception(); // NOLINT(hicpp-exception-baseclass)
    case 3:
        throw "text"; // NOLINT(hicpp-exception-baseclass)
    case 4:           // as when something inside was cancelled, not the handler
        throw std::system_error(net::error::operation_aborted);
    case 5:
        throw std::bad_alloc();
    default:
        return;
    }
}

inline auto c64_exceptions(world& w) -> net::awaitable<void> {
    const std::string topic = w.notes(1);
    const std::string dead = world::dead_letters_of(topic);
    w.fixture().create_topic(dead, 1);
    const auto bus = w.make_bus();
    auto& plain = w.new_journal<seen_note>();
    auto& coroutine = w.new_journal<seen_note>();
    auto& letters = w.new_journal<seen_message>();
    const auto twice = [](std::string_view name) {
        return handler(name).retry(retry_policy().attempts(2).backoff(
            std::chrono::milliseconds(1), std::chrono::milliseconds(2)));
    };
    auto first = bus->on<note>(twice("plain"), [&plain](const note& event, context& where) {
        plain.add(seen_note::of(event, where));
        throw_one(event.number);
    });
    auto second =
        bus->on<note>(twice("coroutine"),
                      [&coroutine](const note& event, context& where) -> net::awaitable<void> {
                          coroutine.add(seen_note::of(event, where));
                          co_await net::post(net::use_awaitable);
                          throw_one(event.number);
                      });
    auto third = bus->on_any(handler("letters"), std::vector<std::string>(1, dead),
                             [&letters](const message& content, context& where) {
                                 letters.add(seen_message::of(content, where));
                             });
    co_await bus->start();
    co_await publish_notes(*bus, "k", 0, 7);
    co_await w.eventually([&] { return letters.size() >= 12; }, "two letters of each bad event");
    co_await w.eventually([&] { return plain.size() >= 13 && coroutine.size() >= 13; },
                          "two tries of each bad event and one of the good one");
    co_await bus->stop();
    expect_equal(letters.size(), std::size_t{12}, "dead letters");
    expect_equal(plain.size(), std::size_t{13}, "calls of the function");
    expect_equal(coroutine.size(), std::size_t{13}, "calls of the coroutine");
    expect(in_order(plain.all()) && in_order(coroutine.all()), "one key stays in order");
    for (const seen_message& each : letters.all()) {
        expect(!each.headers.get("cobus-dlq-reason").value_or("").empty(), "a letter says why");
        expect_equal(each.headers.get("cobus-dlq-attempts").value_or("none"), "2", "attempts");
    }
}

/// Counts the frames that hold one.
class alive {
public:
    explicit alive(std::atomic<int>& count) noexcept : count_(&count) { ++*count_; }
    alive(const alive&) = delete;
    auto operator=(const alive&) -> alive& = delete;
    ~alive() { --*count_; }

private:
    std::atomic<int>* count_;
};

/// A bus in the frame of a coroutine that publishes on it for ever, while handlers sleep.
inline auto publish_for_ever(world& w, net::io_context& on, std::atomic<int>& frames,
                             journal<std::uint64_t>& begun) -> net::awaitable<void> {
    const alive counted(frames);
    cobus::settings how = w.settings();
    how.queue(64, std::size_t{1} << 20U).retention(64).partitions(1);
    const auto bus = w.make_bus(on, std::move(how));
    const std::size_t before = begun.size();
    auto reader = bus->on<note>(handler("reader"), [&](const note& event) -> net::awaitable<void> {
        const alive in_handler(frames);
        begun.add(event.number);
        net::steady_timer timer(co_await net::this_coro::executor, std::chrono::hours(1));
        co_await timer.async_wait(net::use_awaitable);
    });
    co_await bus->start();
    for (std::uint64_t i = 0;; ++i) {
        const note event = make_note(std::to_string(i % 8), i);
        co_await bus->publish(event);
        net::steady_timer pause(on);
        while (begun.size() == before) { // a log that is full before anybody reads loses its start
            pause.expires_after(std::chrono::milliseconds(1));
            co_await pause.async_wait(net::use_awaitable);
        }
        if (i % 16 == 0) {
            co_await net::post(net::use_awaitable);
        }
    }
}

inline auto c65_context_stops(world& w) -> net::awaitable<void> {
    w.notes(1);
    auto& frames = w.make<std::atomic<int>>(0);
    auto& begun = w.new_journal<std::uint64_t>();
    for (const bool again : {false, true}) {
        auto inner = std::make_unique<net::io_context>();
        const std::size_t before = begun.size();
        net::co_spawn(*inner, publish_for_ever(w, *inner, frames, begun), net::detached);
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (begun.size() < before + 4 && std::chrono::steady_clock::now() < deadline) {
            inner->run_one_for(std::chrono::milliseconds(100));
        }
        expect(begun.size() >= before + 4, "handlers begin on the context that will be stopped");
        inner->stop();
        if (again) {
            inner->restart();
            inner->run_for(std::chrono::milliseconds(50));
            inner->stop();
        }
        inner.reset();
        expect_equal(frames.load(), 0, "frames that outlive their context");
    }
    co_return;
}

[[nodiscard]] inline auto lifecycle_cases() -> std::vector<case_definition> {
    return {
        {"C60", "stop waits for 100 running handlers, and calls none afterwards", c60_drain, {}},
        {"C60.abort",
         "stop cancels handlers that do not end in time, and calls none afterwards",
         c60_abort,
         {}},
        {"C61",
         "stop may be called by many at once, again, and from a handler",
         c61_stops_at_once,
         {}},
        {"C62",
         "a handler may end its own subscription and begin another",
         c62_handlers_change,
         {}},
        {"C63",
         "a bus destroyed with publishes under way tells each of them once",
         c63_destroyed,
         {}},
        {"C64",
         "whatever a handler throws is tried again, then kept in the dead letter topic",
         c64_exceptions,
         {}},
        {"C65",
         "a context that is stopped and destroyed mid-flight leaves nothing behind",
         c65_context_stops,
         {}},
    };
}

} // namespace cobus::testing::detail
