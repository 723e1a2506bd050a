#include "../support/kafka_options.hpp"
#include "../support/mock_cluster.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/kafka.hpp>
#include <cobus/transport/failover.hpp>
#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace outage_order_tests {

using namespace std::chrono_literals;
using namespace cobus::test;
using cobus::policy;
using cobus::taken;

auto options(const std::string& brokers) -> cobus::transport_options {
    cobus::transport_options made = quick_kafka(brokers);
    made.properties["reconnect.backoff.max.ms"] = "100";
    made.decision_time = 60s; // the gate stays open: all of it is for Kafka's client to keep
    made.delivery_timeout = 6s;
    return made;
}

/// The payloads of a topic's only partition.
auto log_of(const std::string& brokers, std::size_t wanted) -> std::vector<std::string> {
    cobus::transport_options reading = options(brokers);
    reading.group_id = "judge";
    transport_driver bus(cobus::kafka(), reading);
    REQUIRE_FALSE(bus.start());
    std::vector<std::string> found;
    {
        stream_driver in(bus.get(), {"orders"});
        in.on_message = [&found](cobus::delivery& each) {
            found.emplace_back(each.content->payload());
            return true;
        };
        CHECK(in.until([&] { return found.size() >= wanted; }));
        in.close();
    }
    CHECK_FALSE(bus.stop());
    return found;
}

/// Publishes k1 and k2 while their broker answers, k3 and k4 as it goes, k5 a while later, and
/// brings it back when the first of those that have a limit reached it. What certainly was not sent
/// is published again.
auto log_after_outage(const cobus::transport_factory& make, policy how)
    -> std::vector<std::string> {
    mock_cluster cluster(2);
    cluster.create_topic("orders", 1);
    cluster.set_leader("orders", 0, 1);
    transport_driver bus(make, options(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    std::deque<test_publish> sent;
    const auto publish = [&](const std::string& name) -> test_publish& {
        test_publish& node = sent.emplace_back("orders", "k", name);
        node.when_away = how;
        if (bus.get().publish(node, true) == taken::done) {
            node.ended.happened();
        }
        return node;
    };
    for (const char* each : {"k1", "k2"}) {
        REQUIRE(publish(each).ended.reaches(1));
    }
    cluster.down(1);
    test_publish& third = publish("k3");
    test_publish& fourth = publish("k4");
    const bool gave_up = third.ended.reaches(1, 4s);
    CHECK_FALSE(gave_up);
    test_publish& fifth = publish("k5");
    if (third.ended.reaches(1, 5s)) {
        REQUIRE(fourth.ended.reaches(1));
    }
    cluster.up(1);
    for (test_publish* each : {&third, &fourth, &fifth}) {
        REQUIRE(each->ended.reaches(1));
    }
    std::vector<std::string> again;
    for (const test_publish& each : sent) {
        if (each.ec == cobus::errc::timed_out) {
            again.emplace_back(each.content->payload());
        }
    }
    for (const std::string& each : again) {
        REQUIRE(publish(each).ended.reaches(1));
    }
    const auto log = log_of(cluster.brokers(), 5);
    CHECK_FALSE(bus.stop());
    return log;
}

TEST_CASE("a message timeout in an outage: what timed out comes back behind younger ones") {
    using names = std::vector<std::string>;
    // The simpler design gives messages to the client with a limit, and publishes again what it
    // gives up. One sees it by k5, which had time left, being in the log before k3.
    const names simpler = log_after_outage(cobus::kafka(), policy::deliver);
    REQUIRE(simpler.size() == 5);
    CHECK(std::ranges::find(simpler, "k5") < std::ranges::find(simpler, "k3"));
    // What is kept has no limit in the client.
    const names ours = log_after_outage(
        cobus::with_fallback(cobus::kafka(), cobus::memory(), false), policy::spool);
    CHECK(ours == names{"k1", "k2", "k3", "k4", "k5"});
}

} // namespace outage_order_tests
