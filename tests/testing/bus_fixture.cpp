#include "events.hpp"
#include "order_event.hpp"

#include <cobus/cobus.hpp>
#include <cobus/testing.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using cobus::test::tick;
using cobus::test::tock;
using cobus::testing::bus_fixture;
using cobus::testing::handling_state;
using namespace std::chrono_literals;
namespace net = cobus::net;

namespace {

auto patient(std::string_view name, unsigned attempts) -> cobus::handler_options {
    return cobus::handler(name).retry(cobus::retry_policy().attempts(attempts).backoff(1h, 24h));
}

} // namespace

TEST_CASE("what is published is seen with its event and its receipt") {
    bus_fixture t;
    auto keep = t.bus.on<tick>("keep", [](const tick&) {});
    const cobus::receipt where = t.publish(tick{"a", 7});
    const auto seen = t.published<tick>();
    REQUIRE(seen.size() == 1);
    CHECK(seen[0]->number == 7);
    CHECK((*seen[0]).key == "a");
    CHECK(seen[0].where().topic() == "clock");
    CHECK(seen[0].where().offset() == where.offset());
    CHECK(seen[0].content().type() == "tick");
    CHECK(t.published<tock>().empty());
    CHECK(t.one_published<tick>()->number == 7);
}

TEST_CASE("retries of hours take no time, and each try is seen with its reason") {
    bus_fixture t;
    int tries = 0;
    auto flaky = t.bus.on<tick>(patient("flaky", 9), [&](const tick&) {
        if (++tries < 6) {
            throw std::runtime_error("try " + std::to_string(tries) + " fails");
        }
    });
    t.publish(tick{"a", 1});
    const auto before = std::chrono::steady_clock::now();
    t.until_idle();
    CHECK(std::chrono::steady_clock::now() - before < 5s);
    const auto done = t.one_handled<tick>("flaky");
    CHECK(done.attempts() == 6);
    CHECK(t.attempts<tick>() == 6);
    CHECK(done.runs()[0].reason == "try 1 fails");
    CHECK(done.runs()[5].how == cobus::testing::handler_run::end::done);
    CHECK(done.at() - done.runs()[0].at == t.clock().passed());
    CHECK(t.dead_letters().empty());
}

TEST_CASE("time passes only as a test says: settle, advance") {
    bus_fixture t;
    auto later = t.bus.on<tick>("later", [](const tick&, cobus::context& run) {
        return run.attempt() == 1 ? cobus::outcome::retry_after(2h, "not yet")
                                  : cobus::outcome::done();
    });
    t.publish(tick{"a", 1});
    t.settle();
    CHECK(t.handled<tick>().empty());
    CHECK(t.handlings<tick>("later", handling_state::waiting).size() == 1);
    CHECK(t.clock().passed() == 0s);
    t.advance(2h - 1ms);
    CHECK(t.handled<tick>().empty());
    t.advance(1ms);
    CHECK(t.handled<tick>().size() == 1);
    CHECK(t.clock().passed() == 2h);
}

TEST_CASE("a dead letter is seen with the event, the handler, its tries and the reason") {
    bus_fixture t;
    auto bad = t.bus.on<tick>(patient("bad", 3),
                              [](const tick&) { throw std::runtime_error("no stock"); });
    auto good = t.bus.on<tick>("good", [](const tick&) {});
    t.publish(tick{"a", 42});
    t.until_idle();
    const auto letter = t.one_dead_letter();
    CHECK(letter.is<tick>());
    CHECK_FALSE(letter.is<tock>());
    CHECK(letter.event<tick>().number == 42);
    CHECK(letter.handler() == "bad");
    CHECK(letter.topic() == "clock");
    CHECK(letter.attempts() == 3);
    CHECK(letter.reason() == "no stock");
    CHECK(t.handled<tick>("good").size() == 1);
    CHECK(t.handled<tick>("bad").empty());
    CHECK(t.handlings<tick>("bad", handling_state::dead).size() == 1);
    CHECK(t.published<tick>().size() == 1); // the letter is no event
    CHECK_THROWS_AS((void)letter.event<tock>(), cobus::error);
    REQUIRE(t.log_lines().size() == 1);
    CHECK(t.log_lines()[0].find("gave up on tick") != std::string::npos);
}

TEST_CASE("an event that waited in retry topics is seen once, with all its tries") {
    cobus::settings how;
    how.retry_topics({1min, 10min});
    bus_fixture t(how);
    auto late = t.bus.on<cobus::test::order>(
        cobus::handler("late").retry_topics().retry(cobus::retry_policy().attempts(2)),
        [](const cobus::test::order& order, cobus::context& where) {
            if (order.number == 1 || where.attempt() < 4) {
                throw std::runtime_error("not yet");
            }
        });
    const cobus::test::order dead{"a", 1};
    const cobus::test::order done{"b", 2};
    t.publish(dead);
    t.publish(done);
    t.until_idle();
    CHECK(t.published<cobus::test::order>().size() == 2); // what is written to wait is no event
    CHECK(t.attempts<cobus::test::order>("late") == 10);
    CHECK(t.one_handled<cobus::test::order>("late").attempts() == 4);
    REQUIRE(t.handlings<cobus::test::order>("late").size() == 2);
    CHECK(t.handlings<cobus::test::order>("late")[0].state() == handling_state::dead);
    CHECK(t.handlings<cobus::test::order>("late")[0].attempts() == 6);
    CHECK(t.one_dead_letter().attempts() == 6);
}

TEST_CASE("what handlers publish is waited for and seen too") {
    bus_fixture t;
    auto turn = t.bus.on<tick>("turn", [&](const tick& event) -> net::awaitable<void> {
        tock answer{event.key, event.number + 1};
        co_await t.bus.publish(answer);
    });
    auto end = t.bus.on<tock>("end", [](const tock&) {});
    t.publish(tick{"a", 1});
    t.until_idle();
    CHECK(t.one_published<tock>()->number == 2);
    CHECK(t.one_handled<tock>("end")->number == 2);
}

TEST_CASE("a handler that takes its time on the clock does not hold the test up") {
    bus_fixture t;
    auto slow = t.bus.on<tick>(
        "slow", [&](const tick&) -> net::awaitable<void> { co_await t.clock().sleep(3h); });
    t.publish(tick{"a", 1});
    t.advance(1h);
    CHECK(t.handlings<tick>().empty()); // it runs
    t.until_idle();
    CHECK(t.handled<tick>().size() == 1);
    CHECK(t.clock().passed() == 3h);
}

TEST_CASE("a handler that is cut short by stop is seen as cancelled") {
    bus_fixture t;
    auto endless = t.bus.on<tick>(
        "endless", [&](const tick&) -> net::awaitable<void> { co_await t.clock().sleep(1000h); });
    t.publish(tick{"a", 1});
    t.settle();
    t.stop(10s);
    CHECK(t.cancelled<tick>("endless").size() == 1);
    CHECK(t.handled<tick>().empty());
    CHECK(t.dead_letters().empty());
    CHECK(t.clock().passed() < 11s);
}

TEST_CASE("run gives what a coroutine returns and throws what it throws") {
    bus_fixture t;
    const int got = t.run([&]() -> net::awaitable<int> {
        co_await t.clock().sleep(1h);
        co_return 5;
    });
    CHECK(got == 5);
    CHECK_THROWS_WITH_AS(t.run([]() -> net::awaitable<void> {
        throw std::runtime_error("so it is");
        co_return;
    }),
                         "so it is", std::runtime_error);
    t.run(t.clock().sleep(1h));
    CHECK(t.clock().passed() == 2h);
}

TEST_CASE("waiting for what does not come fails with the story so far") {
    bus_fixture t;
    t.patience(1ms);
    net::steady_timer never(t.executor(), std::chrono::steady_clock::time_point::max());
    auto stuck = t.bus.on<tick>("stuck", [&](const tick&) -> net::awaitable<void> {
        co_await never.async_wait(net::use_awaitable);
    });
    t.publish(tick{"a", 1});
    try {
        t.until_idle();
        FAIL("it became idle");
    } catch (const cobus::testing::failure& problem) {
        const std::string text = problem.what();
        CAPTURE(text);
        CHECK(text.find("unfinished since +0.000 s: tick at clock/") != std::string::npos);
        CHECK(text.find("tick of key 'a' published to clock/") != std::string::npos);
    }
    CHECK_THROWS_AS(t.run(never.async_wait(net::use_awaitable)), cobus::testing::failure);
    CHECK_THROWS_AS(t.until([] { return false; }), cobus::testing::failure);
}

TEST_CASE("what else there is than one is said") {
    bus_fixture t;
    t.publish(tick{"a", 1});
    t.publish(tick{"b", 2});
    try {
        (void)t.one_published<tick>();
        FAIL("there are two");
    } catch (const cobus::testing::failure& problem) {
        const std::string text = problem.what();
        CHECK(text.starts_with("expected one published tick, got 2\n"));
        CHECK(text.find("tick of key 'b' published to clock/") != std::string::npos);
    }
}

TEST_CASE("several buses share one broker, one clock and one log") {
    bus_fixture t;
    auto settings = t.settings();
    cobus::bus other(t.executor(), settings.group_id("other"), t.transport());
    auto here = t.bus.on<tick>("here", [](const tick&) {});
    auto there = other.on<tick>(
        "there", [](const tick&) { return cobus::outcome::dead_letter("not mine"); });
    t.run(other.start());
    t.publish(tick{"a", 1});
    t.until_idle();
    CHECK(t.handled<tick>("here").size() == 1);
    CHECK(t.one_dead_letter().group() == "other");
    CHECK(t.one_dead_letter().reason() == "not mine");
    CHECK(t.one_dead_letter().event<tick>().number == 1);
}

TEST_CASE("a code under test may start the bus itself") {
    bus_fixture t;
    t.start_by_hand();
    auto keep = t.bus.on<tick>("keep", [](const tick&) {});
    t.run(t.bus.start());
    t.publish(tick{"a", 1});
    t.until_idle();
    CHECK(t.handled<tick>().size() == 1);
}

TEST_CASE("publishes that fail are seen with their error") {
    bus_fixture t;
    t.stop();
    CHECK_THROWS_AS(t.publish(tick{"a", 1}), std::system_error);
    CHECK(t.published<tick>().empty());
}

TEST_CASE("what was published carries the clock's time") {
    bus_fixture t;
    t.clock().set_wall(std::chrono::sys_days{std::chrono::year{2026} / 1 / 2});
    t.advance(36h);
    t.publish(tick{"a", 1});
    CHECK(t.one_published<tick>().content().time() ==
          std::chrono::sys_days{std::chrono::year{2026} / 1 / 3} + 12h);
}
