#include "events.hpp"

#include <cobus/cobus.hpp>
#include <cobus/testing.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <system_error>
#include <vector>

using cobus::test::tick;
using cobus::test::tock;
using cobus::testing::bus_fixture;
using cobus::testing::chance;
using cobus::testing::every;
using cobus::testing::first;
using cobus::testing::nth;
using cobus::testing::always;
using namespace std::chrono_literals;
namespace net = cobus::net;

namespace {

/// Publishes `count` ticks without waiting for one another, spread over `keys`.
void publish_many(bus_fixture& t, std::uint64_t count, std::uint64_t keys) {
    std::vector<tick> all;
    for (std::uint64_t i = 0; i < count; ++i) {
        all.push_back(tick{"k" + std::to_string(i % keys), i});
    }
    t.run([&]() -> net::awaitable<void> { co_await t.bus.publish_all(all); });
}

} // namespace

TEST_CASE("the nth publish fails with the code that was said, and was not sent") {
    bus_fixture t;
    auto keep = t.bus.on<tick>("keep", [](const tick&) {});
    t.faults.fail(nth(2), cobus::errc::timed_out);
    t.publish(tick{"a", 1});
    try {
        t.publish(tick{"a", 2});
        FAIL("it was published");
    } catch (const std::system_error& refused) {
        CHECK(refused.code() == cobus::errc::timed_out);
    }
    t.publish(tick{"a", 3});
    t.until_idle();
    CHECK(t.handled<tick>().size() == 2);
    REQUIRE(t.not_published<tick>().size() == 1);
    CHECK(t.not_published<tick>()[0]->number == 2);
    CHECK(t.not_published<tick>()[0].error() == cobus::errc::timed_out);
    CHECK(t.faults.struck() == 1);
}

TEST_CASE("a lost answer says that it may have been sent, and it was") {
    bus_fixture t;
    auto keep = t.bus.on<tick>("keep", [](const tick&) {});
    t.faults.lose_answer(first(1));
    CHECK_THROWS_AS(t.publish(tick{"a", 1}), std::system_error);
    t.until_idle();
    CHECK(t.handled<tick>().size() == 1);
    CHECK(t.not_published<tick>()[0].error() == cobus::errc::maybe_sent);
}

TEST_CASE("a delayed publish holds back its own key, and no other") {
    bus_fixture t;
    std::vector<std::uint64_t> order;
    auto keep = t.bus.on<tick>(cobus::handler("keep").ordered(cobus::order::by_key),
                               [&](const tick& event) { order.push_back(event.number); });
    t.faults.delay(nth(1), 2h);
    for (const auto& [key, number] : {std::pair("a", 1U), std::pair("b", 2U), std::pair("a", 3U)}) {
        t.bus.publish(tick{key, number}, net::detached);
    }
    t.advance(1h);
    CHECK(order == std::vector<std::uint64_t>{2});
    CHECK(t.faults.holding() == 2);
    t.until_idle();
    CHECK(order == std::vector<std::uint64_t>{2, 1, 3});
    CHECK(t.clock().passed() == 2h);
}

TEST_CASE("a duplicate arrives twice under one id") {
    bus_fixture t;
    std::vector<std::string> ids;
    auto keep = t.bus.on<tick>("keep", [&](const tick& event, cobus::context& run) {
        CHECK(event.number == 1);
        ids.push_back(run.content().id().str());
    });
    t.faults.duplicate(nth(1).of<tick>());
    t.publish(tick{"a", 1});
    t.until_idle();
    REQUIRE(ids.size() == 2);
    CHECK(ids[0] == ids[1]);
    CHECK(t.published<tick>().size() == 1);
    CHECK(t.handled<tick>().size() == 2);
}

TEST_CASE("reordered keys overtake one another, and each keeps its own order") {
    bus_fixture t;
    std::map<std::string, std::vector<std::uint64_t>> by_key;
    std::vector<std::uint64_t> all;
    auto keep = t.bus.on<tick>("keep", [&](const tick& event) {
        by_key[event.key].push_back(event.number);
        all.push_back(event.number);
    });
    t.faults.reorder(always(), 10min);
    publish_many(t, 200, 10);
    t.until_idle();
    REQUIRE(all.size() == 200);
    CHECK_FALSE(std::is_sorted(all.begin(), all.end()));
    CHECK(by_key.size() == 10);
    for (const auto& [key, numbers] : by_key) {
        CHECK(std::is_sorted(numbers.begin(), numbers.end()));
    }
}

TEST_CASE("only when asked does one key lose its order") {
    bus_fixture t;
    std::vector<std::uint64_t> all;
    auto keep = t.bus.on<tick>("keep", [&](const tick& event) { all.push_back(event.number); });
    t.faults.reorder(always(), 10min, cobus::testing::fault_script::keys::any_order);
    publish_many(t, 50, 1);
    t.until_idle();
    REQUIRE(all.size() == 50);
    CHECK_FALSE(std::is_sorted(all.begin(), all.end()));
}

TEST_CASE("a delayed delivery comes later, though its publish was acknowledged") {
    bus_fixture t;
    auto keep = t.bus.on<tick>("keep", [](const tick&) {});
    t.faults.delay_delivery(nth(1), 30min);
    t.publish(tick{"a", 1});
    t.publish(tick{"a", 2});
    CHECK(t.published<tick>().size() == 2);
    t.advance(29min);
    CHECK(t.handled<tick>().empty());
    t.until_idle();
    REQUIRE(t.handled<tick>().size() == 2);
    CHECK(t.handled<tick>()[0]->number == 1);
    CHECK(t.clock().passed() == 30min);
}

TEST_CASE("while the connection is down publishes wait and nothing arrives") {
    bus_fixture t;
    auto keep = t.bus.on<tick>("keep", [](const tick&) {});
    t.publish(tick{"a", 1});
    t.faults.disconnect();
    bool sent = false;
    t.bus.publish(tick{"a", 2}, [&](std::error_code ec, const cobus::receipt&) { sent = !ec; });
    t.advance(1h);
    CHECK_FALSE(sent);
    CHECK(t.handled<tick>().empty()); // the first was not read in time
    CHECK(t.bus.health().what == cobus::state::degraded);
    t.faults.connect();
    t.until_idle();
    CHECK(sent);
    CHECK(t.handled<tick>().size() == 2);
    CHECK(t.bus.health().what == cobus::state::memory);
}

TEST_CASE("a publish with a deadline is withdrawn from a connection that is down") {
    bus_fixture t;
    t.faults.disconnect_at(nth(2));
    t.publish(tick{"a", 1});
    const tick late{"a", 2};
    const auto how = cobus::publish_options().deadline(5s);
    try {
        t.run(t.bus.publish(late, how));
        FAIL("it was published");
    } catch (const std::system_error& refused) {
        CHECK(refused.code() == cobus::errc::timed_out);
    }
    CHECK(t.clock().passed() == 5s);
    CHECK_FALSE(t.faults.connected());
    CHECK(t.faults.holding() == 0);
}

TEST_CASE("stopping while the connection is down ends in time, and says what was not sent") {
    bus_fixture t;
    t.settle();
    t.faults.disconnect();
    std::error_code said;
    t.bus.publish(tick{"a", 1}, [&](std::error_code ec, const cobus::receipt&) { said = ec; });
    t.stop(4s);
    CHECK(said == cobus::errc::timed_out);
    CHECK(t.clock().passed() < 5s);
}

TEST_CASE("until_idle says that the connection is down") {
    bus_fixture t;
    t.patience(1ms);
    t.settle();
    t.faults.disconnect();
    t.bus.publish(tick{"a", 1}, net::detached);
    try {
        t.until_idle();
        FAIL("it became idle");
    } catch (const cobus::testing::failure& problem) {
        CHECK(std::string(problem.what()).find("the connection is down") != std::string::npos);
    }
}

TEST_CASE("a refused commit is tried again") {
    bus_fixture t;
    auto keep = t.bus.on<tick>("keep", [](const tick&) {});
    t.faults.fail_commit(first(2), cobus::errc::unavailable);
    const auto where = t.publish(tick{"a", 1});
    t.advance(1min);
    CHECK(t.faults.struck() == 2);
    CHECK(t.broker().committed("cobus", "clock", where.partition()).offset == 1);
}

TEST_CASE("a dead letter that is refused is sent again until it is taken") {
    bus_fixture t;
    auto bad = t.bus.on<tick>("bad", [](const tick&) { return cobus::outcome::dead_letter("no"); });
    t.faults.fail(first(3).topic("dlq.clock"), cobus::errc::unavailable);
    t.publish(tick{"a", 1});
    t.until_idle();
    CHECK(t.one_dead_letter().reason() == "no");
    CHECK(t.clock().passed() >= 3s);
}

TEST_CASE("chance faults are the same for the same seed") {
    const auto failures = [](std::uint64_t seed) {
        bus_fixture t;
        t.faults = cobus::testing::fault_script(seed);
        return 0;
    };
    (void)failures;
    std::array<std::vector<bool>, 3> struck;
    const std::array<std::uint64_t, 3> seeds{7, 7, 8};
    for (std::size_t run = 0; run < seeds.size(); ++run) {
        cobus::testing::fault_script script(seeds[run]);
        script.fail(chance(0.3), cobus::errc::timed_out);
        cobus::message any("clock", "tick", "");
        for (int i = 0; i < 200; ++i) {
            struck[run].push_back(static_cast<bool>(script.for_publish(any).fail));
        }
    }
    CHECK(struck[0] == struck[1]);
    CHECK(struck[0] != struck[2]);
    const auto count = std::count(struck[0].begin(), struck[0].end(), true);
    CHECK(count > 30);
    CHECK(count < 90);
}

TEST_CASE("nothing is lost and each key keeps its order whatever chance does") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        bus_fixture t(cobus::settings(), cobus::transport_factory(), seed);
        std::map<std::string, std::uint64_t> next;
        std::uint64_t handled = 0;
        bool ordered = true;
        auto keep = t.bus.on<tick>(
            cobus::handler("keep").retry(cobus::retry_policy().attempts(50).backoff(1s, 1min)),
            [&](const tick& event) {
                if (event.number % 7 == 0 && handled % 2 == 0 && handled++ < 1000) {
                    throw std::runtime_error("now and then");
                }
                auto& wanted = next[event.key];
                ordered = ordered && event.number <= wanted + 5; // repeats, but no gap
                wanted = std::max(wanted, event.number);
                ++handled;
            });
        t.faults.duplicate(chance(0.1)).reorder(chance(0.3), 1h).delay_delivery(chance(0.1), 5min);
        t.faults.fail_commit(chance(0.2), cobus::errc::unavailable);
        publish_many(t, 100, 5);
        t.until_idle();
        CHECK(ordered);
        std::map<std::uint64_t, int> seen;
        for (const auto& each : t.handled<tick>()) {
            ++seen[each->number];
        }
        CHECK(seen.size() == 100);
        CHECK(t.dead_letters().empty());
    }
}

TEST_CASE("every and topic choose what is struck") {
    bus_fixture t;
    t.faults.fail(every(2).topic("clock").key("a"), cobus::errc::timed_out);
    int failed = 0;
    for (int i = 0; i < 6; ++i) {
        for (const char* key : {"a", "b"}) {
            t.bus.publish(tick{key, 1}, [&](std::error_code ec, const cobus::receipt&) {
                failed += ec ? 1 : 0;
            });
        }
    }
    t.settle();
    CHECK(failed == 0); // not started yet when they were published
}
