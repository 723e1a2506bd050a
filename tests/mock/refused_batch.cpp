#include "../support/kafka_options.hpp"
#include "../support/mock_cluster.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/kafka.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

// A broker refuses a batch as a whole, whatever is wrong with one message of it.

namespace refused_batch {

using namespace cobus;
using namespace cobus::test;
using namespace std::chrono_literals;

/// What is published within half a second is one batch.
auto in_batches(const mock_cluster& cluster) -> transport_options {
    transport_options options = quick_kafka(cluster.brokers());
    options.properties["linger.ms"] = "500";
    return options;
}

void publish_some(transport_driver& bus, std::deque<test_publish>& nodes, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        nodes.emplace_back("orders", "k", std::to_string(nodes.size()));
        REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
    }
}

} // namespace refused_batch

TEST_CASE("events of a batch that was refused as a whole are sent, in their order") {
    using namespace refused_batch;
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_driver bus(kafka(), in_batches(cluster));
    REQUIRE_FALSE(bus.start());
    test_publish warm("orders", "k", "first");
    REQUIRE_FALSE(bus.publish(warm));
    std::deque<test_publish> nodes;
    cluster.push_errors(kafka_request::produce, {RD_KAFKA_RESP_ERR_INVALID_RECORD});
    publish_some(bus, nodes, 32);
    std::int64_t offset = warm.where.offset();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        CAPTURE(i);
        REQUIRE(nodes[i].ended.reaches(1));
        CHECK_FALSE(nodes[i].ec);
        CHECK(nodes[i].where.offset() == ++offset);
    }
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a stop ends what goes again in time") {
    using namespace refused_batch;
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_driver bus(kafka(), in_batches(cluster));
    REQUIRE_FALSE(bus.start());
    test_publish warm("orders", "k", "first");
    REQUIRE_FALSE(bus.publish(warm));
    cluster.push_errors(kafka_request::produce, {RD_KAFKA_RESP_ERR_INVALID_RECORD});
    cluster.push_answer(1, kafka_request::produce, RD_KAFKA_RESP_ERR_NO_ERROR, 5s);
    std::deque<test_publish> nodes;
    publish_some(bus, nodes, 20);
    const auto before = std::chrono::steady_clock::now();
    CHECK_FALSE(bus.stop(500ms));
    CHECK(std::chrono::steady_clock::now() - before < 2s);
    for (const auto& each : nodes) {
        CHECK(each.ended.count() == 1);
    }
}
