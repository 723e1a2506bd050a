#include "../support/kafka_options.hpp"
#include "../support/mock_cluster.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/kafka.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace idle_mock_tests {

using namespace std::chrono_literals;
using namespace cobus::test;
using cobus::link;
using steady = std::chrono::steady_clock;

TEST_CASE(
    "a cluster that freezes is noticed by a bus on which nothing is under way, and its return") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_driver bus(cobus::kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    REQUIRE(bus.becomes(link::up));
    cluster.set_round_trip(1min);
    const auto before = steady::now();
    REQUIRE(bus.becomes(link::down, 15s));
    const auto took = steady::now() - before;
    MESSAGE("noticed after " << std::chrono::duration_cast<std::chrono::milliseconds>(took).count()
                             << " ms");
    CHECK(took >= 2s); // slow is not silent
    cluster.set_round_trip(0ms);
    cluster.down(); // what was asked is not answered any more
    cluster.up();
    CHECK(bus.becomes(link::up));
    CHECK_FALSE(bus.stop());
}

} // namespace idle_mock_tests
