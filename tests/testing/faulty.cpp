#include "events.hpp"
#include "quiet.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/testing.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

using cobus::test::tick;
using cobus::test::tock;
using cobus::testing::always;
using cobus::testing::bus_fixture;
using cobus::testing::chance;
using cobus::testing::first;
using cobus::testing::nth;
using namespace std::chrono_literals;
namespace net = cobus::net;

namespace {

struct note {
    std::string key;
    std::string text;
};

} // namespace

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
    static constexpr auto key = &note::key;
    static constexpr auto fields =
        cobus::fields(field("key", &note::key), field("text", &note::text));
    using codec = cobus::json_codec;
};

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
    t.settle(); // starts
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
    t.settle();
    for (std::uint64_t i = 0; i < 50; ++i) { // `publish_all` keeps the order itself
        t.bus.publish(tick{"a", i}, net::detached);
    }
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
    CHECK(t.handled<tick>().size() == 1);
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
        bus_fixture t;
        t.faults.seed(seed);
        auto keep = t.bus.on<tick>(
            cobus::handler("keep").retry(cobus::retry_policy().attempts(3).backoff(1s, 1min)),
            [](const tick& event, cobus::context& run) {
                if (event.number % 7 == 0 && run.attempt() == 1) {
                    throw std::runtime_error("now and then");
                }
            });
        t.faults.duplicate(chance(0.1)).reorder(chance(0.3), 1h).delay_delivery(chance(0.1), 5min);
        t.faults.fail_commit(chance(0.2), cobus::errc::unavailable);
        publish_many(t, 100, 5);
        t.until_idle();
        std::map<std::uint64_t, int> times;
        std::map<std::string, std::vector<std::uint64_t>> firsts;
        for (const auto& each : t.handled<tick>()) {
            if (++times[each->number] == 1) {
                firsts[each->key].push_back(each->number);
            }
        }
        CHECK(times.size() == 100);
        for (const auto& [key, numbers] : firsts) {
            CHECK(std::is_sorted(numbers.begin(), numbers.end()));
        }
        CHECK(t.faults.struck() > 10);
        CHECK(t.dead_letters().empty());
    }
}

TEST_CASE("a bus over Kafka with memory to fall back on is tested without a broker") {
    cobus::settings how;
    how.kafka(true).brokers("kafka.example:9092");
    bus_fixture t(how);
    auto keep = t.bus.on<note>("keep", [](const note&) {});
    const auto to_kafka = t.publish(note{"a", "one"});
    CHECK(to_kafka.way() == cobus::path::kafka);
    CHECK(t.bus.health().what == cobus::state::connected);
    t.until_idle();
    CHECK(t.handled<note>().size() == 1);

    t.faults.disconnect();
    t.advance(10s);
    CHECK(t.bus.health().what == cobus::state::degraded);
    const auto kept = t.publish(note{"a", "two"});
    CHECK(kept.degraded());
    t.until_idle();
    CHECK(t.handled<note>().size() == 2);

    t.faults.connect();
    t.advance(1min);
    CHECK(t.bus.health().what == cobus::state::connected);
    CHECK(t.publish(note{"a", "three"}).way() == cobus::path::kafka);
}

TEST_CASE("handlers read the event that was published, or what its bytes say when they must") {
    for (const bool as_bytes : {false, true}) {
        CAPTURE(as_bytes);
        bus_fixture t(cobus::settings().serialise(as_bytes));
        const note* read = nullptr;
        auto keep = t.bus.on<note>("keep", [&](const note& event) {
            read = &event;
            CHECK(event.text == "one");
        });
        t.publish(note{"a", "one"});
        t.until_idle();
        REQUIRE(read != nullptr);
        CHECK((read == &*t.one_published<note>()) == !as_bytes);
    }
}

TEST_CASE("a bus that stopped while commits were refused is at rest") {
    cobus::net::io_context context;
    cobus::testing::fault_script faults;
    faults.fail_commit(always(), cobus::errc::unavailable);
    cobus::bus bus(context.get_executor(), cobus::test::quiet(),
                   cobus::over(cobus::testing::faulty(cobus::memory(), faults)));
    bool stopped = false;
    auto keep = bus.on<tick>(
        "keep", [&](const tick&) { bus.stop(500ms, [&](std::error_code) { stopped = true; }); });
    bus.start([&](std::error_code ec) {
        REQUIRE_FALSE(ec);
        bus.publish(tick{"a", 1}, net::detached);
    });
    context.run_for(20s);
    CHECK(stopped);
    CHECK(context.stopped()); // nothing is left to do
    CHECK(faults.struck() > 0);
}

TEST_CASE("faults strike a transport of the user's as well") {
    cobus::net::io_context context;
    cobus::testing::fault_script faults;
    faults.fail(nth(1), cobus::errc::too_large);
    cobus::bus bus(context.get_executor(), cobus::test::quiet(),
                   cobus::over(cobus::testing::faulty(cobus::memory(), faults)));
    std::vector<std::error_code> said;
    bus.start([&](std::error_code ec) {
        REQUIRE_FALSE(ec);
        for (int i = 0; i < 2; ++i) {
            bus.publish(tick{"a", 1}, [&](std::error_code code, const cobus::receipt&) {
                said.push_back(code);
                if (said.size() == 2) {
                    bus.request_stop();
                }
            });
        }
    });
    context.run();
    REQUIRE(said.size() == 2);
    CHECK(said[0] == cobus::errc::too_large);
    CHECK_FALSE(said[1]);
}

TEST_CASE(
    "partitions that are lost cancel their handlers, and what was not committed comes again") {
    bus_fixture t;
    std::vector<std::uint64_t> begun;
    auto slow = t.bus.on<tick>(
        "slow", [&](const tick& event, cobus::context& where) -> net::awaitable<void> {
            begun.push_back(event.number);
            if (begun.size() == 2) {
                co_await t.clock().sleep(1h);
                CHECK_FALSE(where.cancelled());
            }
        });
    t.publish(tick{"a", 1});
    t.advance(5s); // committed
    t.publish(tick{"a", 2});
    t.settle();
    t.faults.lose_partitions();
    t.until_idle();
    CHECK(begun == std::vector<std::uint64_t>{1, 2, 2});
    CHECK(t.cancelled<tick>("slow").size() == 1);
    CHECK(t.clock().passed() < 1h);
}

TEST_CASE("partitions that have to be given up let their handlers end, and nothing comes twice") {
    bus_fixture t;
    std::vector<std::uint64_t> begun;
    std::vector<bool> ending;
    auto slow = t.bus.on<tick>(
        "slow", [&](const tick& event, cobus::context& where) -> net::awaitable<void> {
            begun.push_back(event.number);
            co_await t.clock().sleep(1s);
            ending.push_back(where.ending());
        });
    t.publish(tick{"a", 1});
    t.settle();
    t.faults.rebalance();
    t.publish(tick{"a", 2});
    t.until_idle();
    CHECK(begun == std::vector<std::uint64_t>{1, 2});
    CHECK(ending == std::vector<bool>{true, false});
    t.faults.rebalance();
    t.publish(tick{"a", 3});
    t.until_idle();
    CHECK(begun == std::vector<std::uint64_t>{1, 2, 3});
}
