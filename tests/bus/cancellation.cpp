#include "events.hpp"
#include "quiet.hpp"
#include "run.hpp"

#include <cobus/cobus.hpp>
#include <cobus/testing/scripted_transport.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/io_context.hpp>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

// When an operation is cancelled: before it begins, while it waits for room, while it is under way,
// after it ended.

using cobus::test::quiet;
using cobus::test::run;
using cobus::test::tick;
using cobus::test::until;
using cobus::testing::scripted_transport;
namespace net = cobus::net;

namespace {

/// A bus on a transport that answers when it is told to.
struct scene {
    scene() {
        auto made = std::make_unique<scripted_transport>();
        link = made.get();
        link->is(cobus::link::up);
        bus.emplace(context.get_executor(), quiet(),
                    cobus::over([given = std::make_shared<std::unique_ptr<cobus::transport>>(
                                     std::move(made))](const cobus::transport_options&) {
                        return std::move(*given);
                    }));
        started();
    }
    void started() {
        bool over = false;
        bus->start([&](std::error_code ec) {
            CHECK_FALSE(ec);
            over = true;
        });
        turn();
        REQUIRE(over);
    }
    /// Runs what can run now.
    void turn() {
        context.restart();
        while (context.poll() > 0) {
        }
    }
    /// Publishes with a slot; `done` holds what the operation ended with.
    void publish(const std::string& key, net::cancellation_signal& signal,
                 std::optional<std::error_code>& done) {
        const tick event{key, 1};
        bus->publish(event, net::bind_cancellation_slot(
                                signal.slot(), [&done](std::error_code ec, cobus::receipt) {
                                    CHECK_FALSE(done.has_value());
                                    done = ec;
                                }));
        turn();
    }

    net::io_context context;
    scripted_transport* link = nullptr;
    std::optional<cobus::bus> bus;
};

const std::error_code never_sent = net::error::operation_aborted;
const std::error_code maybe_sent = make_error_code(cobus::errc::maybe_sent);

} // namespace

TEST_CASE("a publisher that is cancelled while handlers run hears of all that it has sent") {
    net::io_context context;
    cobus::bus bus(context.get_executor(), quiet());
    net::cancellation_signal stop;
    std::uint64_t sent = 0;
    std::uint64_t handled = 0;
    auto slow = bus.on<tick>("slow", [&](const tick& event) -> net::awaitable<void> {
        if (event.number == 130) { // in a run of the home by the publisher itself
            stop.emit(net::cancellation_type::all);
        }
        co_await net::post(net::use_awaitable);
        ++handled;
    });
    std::exception_ptr ended;
    const auto publish_all = [&]() -> net::awaitable<void> {
        for (tick event{"", 0}; event.number < 1000;) {
            ++event.number;
            event.key = std::to_string(event.number);
            co_await bus.publish(event);
            sent = event.number;
        }
    };
    run(context, [&]() -> net::awaitable<void> {
        co_await bus.start();
        net::co_spawn(context, publish_all,
                      net::bind_cancellation_slot(stop.slot(),
                                                  [&](const std::exception_ptr& e) { ended = e; }));
        co_await until([&] { return ended != nullptr; });
        co_await bus.stop();
    });
    CHECK(sent >= 130);
    CHECK(sent < 1000);
    CHECK(handled == sent);
    CHECK_THROWS_AS(std::rethrow_exception(ended), std::system_error);
}

TEST_CASE("a publish that is cancelled before it is awaited is never sent") {
    scene here;
    net::cancellation_signal signal;
    std::optional<std::error_code> done;
    const auto body = [&]() -> net::awaitable<void> {
        co_await net::this_coro::throw_if_cancelled(false);
        co_await net::post(net::use_awaitable); // cancelled meanwhile
        co_await net::this_coro::throw_if_cancelled(true);
        const tick event{"k", 1};
        co_await here.bus->publish(event);
    };
    net::co_spawn(here.context, body(),
                  net::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr thrown) {
                      try {
                          std::rethrow_exception(thrown);
                      } catch (const std::system_error& ended) {
                          done = ended.code();
                      }
                  }));
    signal.emit(net::cancellation_type::terminal);
    here.turn();
    REQUIRE(done.has_value());
    CHECK(*done == never_sent);
    CHECK(here.link->published == 0);
}

TEST_CASE("a publish that is cancelled in the queue leaves no trace, and those behind it move up") {
    scene here;
    here.link->room = 1;
    net::cancellation_signal first_signal, second_signal, third_signal;
    std::optional<std::error_code> first, second, third;
    here.publish("a", first_signal, first);
    here.publish("b", second_signal, second);
    here.publish("c", third_signal, third);
    std::vector<std::string> withdrawn;
    here.link->on_withdraw = [&](cobus::publish_node& node) {
        withdrawn.emplace_back(node.content->key().value_or("none"));
    };
    second_signal.emit(net::cancellation_type::total);
    here.turn();
    CHECK(second == never_sent);
    CHECK(withdrawn == std::vector<std::string>{"b"});
    CHECK_FALSE(first.has_value());
    CHECK_FALSE(third.has_value());
    CHECK(here.link->answer_next());
    CHECK(here.link->answer_next());
    CHECK_FALSE(here.link->answer_next());
    here.turn();
    CHECK(first == std::error_code());
    CHECK(third == std::error_code());
}

TEST_CASE("a publish that is cancelled under way may have been sent, and is told once") {
    using type = net::cancellation_type;
    const std::error_code away = make_error_code(cobus::errc::unavailable);
    for (const type asked : {type::terminal, type::partial, type::total}) {
        for (const std::error_code& answer : {std::error_code(), away}) {
            scene here;
            net::cancellation_signal signal;
            std::optional<std::error_code> done;
            here.publish("k", signal, done);
            signal.emit(asked);
            here.turn();
            CHECK(done == maybe_sent);
            signal.emit(asked);
            CHECK(here.link->answer_next(answer));
            here.turn(); // a second completion fails in `publish`
            CHECK(done == maybe_sent);
        }
    }
}

TEST_CASE("a cancellation that meets the answer is told once, and touches no later publish") {
    scene here;
    for (const bool completed_before : {true, false}) {
        net::cancellation_signal signal;
        std::optional<std::error_code> done;
        here.publish("k", signal, done);
        CHECK(here.link->answer_next());
        if (completed_before) {
            here.turn();
        }
        signal.emit(net::cancellation_type::terminal);
        here.turn();
        CHECK(done == (completed_before ? std::error_code() : maybe_sent));

        std::optional<std::error_code> next; // may well have the same place in memory
        net::cancellation_signal unused;
        here.publish("k", unused, next);
        signal.emit(net::cancellation_type::terminal);
        here.turn();
        CHECK_FALSE(next.has_value());
        CHECK(here.link->answer_next());
        here.turn();
        CHECK(next == std::error_code());
    }
}

TEST_CASE("publish_all that is cancelled tells of each event what became of it") {
    scene here;
    here.link->room = 2;
    net::cancellation_signal signal;
    std::optional<std::vector<cobus::publish_result>> done;
    const std::vector<tick> events{{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}};
    here.bus->publish_all(events, net::bind_cancellation_slot(
                                      signal.slot(), [&](std::vector<cobus::publish_result> all) {
                                          CHECK_FALSE(done.has_value());
                                          done = std::move(all);
                                      }));
    here.turn();
    CHECK(here.link->answer_next()); // "a" is there; "c" moved up
    here.turn();
    CHECK_FALSE(done.has_value());
    signal.emit(net::cancellation_type::terminal);
    here.turn();
    REQUIRE(done.has_value());
    REQUIRE(done->size() == 4);
    CHECK((*done)[0].ec == std::error_code());
    CHECK((*done)[1].ec == maybe_sent);
    CHECK((*done)[2].ec == maybe_sent);
    CHECK((*done)[3].ec == never_sent);
    while (here.link->answer_next()) {
    }
    here.turn();
}

TEST_CASE("a call that is cancelled ends its wait, and the handler goes on") {
    net::io_context context;
    std::optional<std::error_code> done;
    bool handled = false;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        net::steady_timer gate(context, (std::chrono::steady_clock::time_point::max)());
        bool begun = false;
        auto slow = bus.on<tick>("slow", [&](const tick&) -> net::awaitable<void> {
            begun = true;
            std::error_code ignored;
            co_await gate.async_wait(net::redirect_error(net::use_awaitable, ignored));
            handled = true;
        });
        co_await bus.start();
        net::cancellation_signal signal;
        const tick event{"k", 1};
        bus.call(event, net::bind_cancellation_slot(signal.slot(),
                                                    [&](std::error_code ec) { done = ec; }));
        co_await until([&] { return begun; });
        signal.emit(net::cancellation_type::terminal);
        co_await until([&] { return done.has_value(); });
        CHECK_FALSE(handled);
        gate.cancel();
        co_await until([&] { return handled; });
        co_await bus.stop();
    });
    CHECK(done == maybe_sent);
}
