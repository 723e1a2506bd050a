#pragma once

#include "kafka_options.hpp"
#include "mock_cluster.hpp"
#include "transport_driver.hpp"

#include <cobus/kafka.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cobus::test {

/// A cluster with a topic and a transport that wrote to it.
struct scene {
    explicit scene(int partitions, transport_options options = {}) {
        cluster.create_topic("orders", partitions);
        transport_options quick = quick_kafka(cluster.brokers());
        options.brokers = quick.brokers;
        options.properties.merge(quick.properties);
        bus = std::make_unique<transport_driver>(kafka(), options);
        REQUIRE_FALSE(bus->start());
    }
    ~scene() { CHECK_FALSE(bus->stop()); }

    void publish(int from, int to, std::int32_t partition = -1) {
        for (int i = from; i < to; ++i) {
            test_publish node("orders", "key-" + std::to_string(i), std::to_string(i));
            node.partition = partition;
            REQUIRE_FALSE(bus->publish(node));
        }
    }

    mock_cluster cluster;
    std::unique_ptr<transport_driver> bus;
};

/// What a commit of everything seen says.
[[nodiscard]] inline auto finished(const stream_driver& in) -> std::vector<position> {
    std::map<std::int32_t, std::int64_t> next;
    for (const seen_message& each : in.seen) {
        next[each.partition] = each.offset + 1;
    }
    std::vector<position> positions;
    for (const auto& [partition, offset] : next) {
        positions.push_back({{detail::intern("orders"), partition}, offset, {}});
    }
    return positions;
}

} // namespace cobus::test
