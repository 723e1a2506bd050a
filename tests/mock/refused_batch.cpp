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

/// A bus that has published one event, and whose next batch is refused.
struct refused_scene {
    refused_scene() {
        cluster.create_topic("orders", 1);
        REQUIRE_FALSE(bus.start());
        REQUIRE_FALSE(bus.publish(warm));
        cluster.push_errors(kafka_request::produce, {RD_KAFKA_RESP_ERR_INVALID_RECORD});
    }
    void publish_some(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            nodes.emplace_back("orders", "k", std::to_string(nodes.size()));
            REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
        }
    }

    mock_cluster cluster;
    transport_driver bus{kafka(), in_batches(cluster)};
    test_publish warm{"orders", "k", "first"};
    std::deque<test_publish> nodes;
};

} // namespace refused_batch

TEST_CASE("events of a batch that was refused as a whole are sent, in their order") {
    refused_batch::refused_scene here;
    here.publish_some(32);
    std::int64_t offset = here.warm.where.offset();
    for (std::size_t i = 0; i < here.nodes.size(); ++i) {
        CAPTURE(i);
        auto& each = here.nodes[i];
        REQUIRE(each.ended.reaches(1));
        CHECK_FALSE(each.ec);
        CHECK(each.where.offset() == ++offset);
    }
    CHECK_FALSE(here.bus.stop());
}

TEST_CASE("a stop ends what goes again in time") {
    using namespace refused_batch;
    refused_scene here;
    here.cluster.push_answer(1, kafka_request::produce, RD_KAFKA_RESP_ERR_NO_ERROR, 5s);
    here.publish_some(20);
    const auto before = std::chrono::steady_clock::now();
    CHECK_FALSE(here.bus.stop(500ms));
    CHECK(std::chrono::steady_clock::now() - before < 2s);
    for (const auto& each : here.nodes) {
        CHECK(each.ended.count() == 1);
    }
}
