#include "quiet.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/testing.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace net = cobus::net;

namespace spooled_bus_tests {

struct step_taken {
    std::string who;
    int number = 0;
};

} // namespace spooled_bus_tests

template <>
struct cobus::contract<spooled_bus_tests::step_taken> {
    using event = spooled_bus_tests::step_taken;
    static constexpr std::string_view type = "step.taken", topic = "steps";
    static constexpr auto key = &event::who;
    static constexpr auto policy = cobus::policy::deliver_and_spool;
    static constexpr auto fields =
        cobus::fields(cobus::field("who", &event::who), cobus::field("number", &event::number));
    using codec = cobus::json_codec;
};

namespace spooled_bus_tests {

auto over_kafka() -> cobus::settings {
    cobus::settings how;
    how.kafka(true).brokers("kafka.example:9092").group_id("g");
    return how;
}

struct walks {
    std::map<std::string, std::vector<int>> steps;
    void add(const step_taken& one) { steps[one.who].push_back(one.number); }
};

TEST_CASE("handled here while Kafka was away, an event is not handled again when it comes back") {
    cobus::testing::bus_fixture t(over_kafka());
    walks here;
    auto keep = t.bus.on<step_taken>("keep", [&](const step_taken& one) { here.add(one); });
    t.publish(step_taken{"ada", 1});
    t.until_idle();
    t.faults.disconnect();
    t.advance(10s);
    REQUIRE(t.bus.health().what == cobus::state::degraded);
    const cobus::receipt kept = t.publish(step_taken{"ada", 2});
    CHECK(kept.spooled());
    t.publish(step_taken{"bob", 1});
    t.settle();
    CHECK(here.steps["ada"] == std::vector<int>{1, 2});
    CHECK(here.steps["bob"] == std::vector<int>{1});
    CHECK(t.bus.health().kept.messages == 2);

    t.faults.connect();
    t.advance(1min);
    CHECK(t.bus.health().what == cobus::state::connected);
    CHECK(t.bus.health().kept.messages == 0);
    t.publish(step_taken{"ada", 3});
    t.until_idle();
    CHECK(here.steps["ada"] == std::vector<int>{1, 2, 3});
    CHECK(here.steps["bob"] == std::vector<int>{1});
}

TEST_CASE("a handler that runs past the drain limit is cancelled, and runs when Kafka brings it") {
    cobus::settings how = over_kafka();
    how.drain_limit(2s);
    cobus::testing::bus_fixture t(how);
    walks here;
    bool patient = false;
    bool swallows = false;
    int cancelled = 0;
    SUBCASE("it throws") {}
    SUBCASE("it takes no notice, and ends well: that does not count") { swallows = true; }
    const auto handler = [&](const step_taken& one) -> net::awaitable<void> {
        if (one.who == "ada" && !std::exchange(patient, true)) {
            try {
                co_await t.clock().sleep(1000h);
            } catch (const std::system_error&) {
                ++cancelled;
                if (!swallows) {
                    throw;
                }
            }
            co_return;
        }
        here.add(one);
    };
    auto keep = t.bus.on<step_taken>("keep", handler);
    t.settle();
    t.faults.disconnect();
    t.advance(10s);
    REQUIRE(t.bus.health().what == cobus::state::degraded);
    t.publish(step_taken{"ada", 1});
    t.publish(step_taken{"ada", 2}); // waits for its lane
    t.publish(step_taken{"bob", 1});
    t.settle();
    CHECK(here.steps["ada"].empty());
    CHECK(here.steps["bob"] == std::vector<int>{1});
    t.faults.connect();
    t.advance(1s);
    CHECK(cancelled == 0);
    CHECK(t.bus.health().what == cobus::state::recovering);
    t.advance(2s);
    CHECK(cancelled == 1);
    t.advance(10s);
    CHECK(t.bus.health().what == cobus::state::connected);
    t.until_idle();
    CHECK(here.steps["ada"] == std::vector<int>{1, 2});
    CHECK(here.steps["bob"] == std::vector<int>{1});
}

TEST_CASE("a handler that failed here handles the event when it comes back from Kafka, in order") {
    cobus::testing::bus_fixture t(over_kafka());
    walks here;
    int failures = 3;
    auto keep = t.bus.on<step_taken>(
        cobus::handler_options("keep").retry(cobus::retry_policy().attempts(100).backoff(1h, 1h)),
        [&](const step_taken& one) {
            if (one.who == "ada" && failures > 0) {
                --failures;
                throw std::runtime_error("not yet");
            }
            here.add(one);
        });
    t.settle();
    t.faults.disconnect();
    t.advance(10s);
    REQUIRE(t.bus.health().what == cobus::state::degraded);
    failures = 1;
    t.publish(step_taken{"ada", 1});
    t.publish(step_taken{"ada", 2});
    t.publish(step_taken{"bob", 1});
    t.settle();
    CHECK(here.steps["ada"].empty()); // 1 waits for its retry, 2 behind it
    CHECK(here.steps["bob"] == std::vector<int>{1});
    t.faults.connect();
    t.advance(1min);
    CHECK(t.bus.health().what == cobus::state::connected);
    t.until_idle();
    CHECK(here.steps["ada"] == std::vector<int>{1, 2});
    CHECK(here.steps["bob"] == std::vector<int>{1});
}

TEST_CASE("a stop says how much did not get to Kafka, and that it is lost") {
    cobus::testing::bus_fixture t(over_kafka());
    t.publish(step_taken{"ada", 1});
    t.until_idle();
    SUBCASE("nothing") {
        const cobus::stop_result end = t.stop();
        CHECK(end.left == 0);
        CHECK(end.durable);
    }
    SUBCASE("two events") {
        t.faults.disconnect();
        t.advance(10s);
        t.publish(step_taken{"ada", 2});
        t.publish(step_taken{"ada", 3});
        const cobus::stop_result end = t.stop();
        CHECK(end.left == 2);
        CHECK_FALSE(end.durable);
        CHECK(t.bus.left().messages == 2);
    }
}

} // namespace spooled_bus_tests
