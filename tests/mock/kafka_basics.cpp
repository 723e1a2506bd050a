#include "../support/mock_cluster.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/kafka.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <set>
#include <string>

using namespace cobus;
using namespace cobus::test;
using namespace std::chrono_literals;

namespace {

auto options_for(const std::string& brokers) -> transport_options {
    transport_options options;
    options.brokers = {brokers};
    options.properties = {{"fetch.wait.max.ms", "10"},
                          {"session.timeout.ms", "6000"},
                          {"heartbeat.interval.ms", "500"}};
    return options;
}

} // namespace

TEST_CASE("a publish completes with the position that Kafka gave it") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_driver bus(kafka(), options_for(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    CHECK(bus.get().state().what == link::up);
    test_publish first("orders", "k", "one");
    test_publish second("orders", "k", "two");
    CHECK_FALSE(bus.publish(first));
    CHECK_FALSE(bus.publish(second));
    CHECK(first.where.topic() == "orders");
    CHECK(first.where.partition() == 0);
    CHECK(first.where.offset() == 0);
    CHECK(second.where.offset() == 1);
    CHECK(first.where.way() == path::kafka);
    CHECK(first.where.durable());
    CHECK(first.where.id() == first.content->id());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("what is published is consumed, committed, and not consumed again") {
    mock_cluster cluster;
    cluster.create_topic("orders", 4);
    transport_driver bus(kafka(), options_for(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    for (int i = 0; i < 20; ++i) {
        test_publish node("orders", "key" + std::to_string(i), std::to_string(i));
        CHECK_FALSE(bus.publish(node));
    }
    {
        stream_driver in(bus.get(), {"orders"});
        REQUIRE(in.until([&] { return in.seen.size() == 20; }));
        std::map<std::int32_t, std::int64_t> next;
        for (const auto& each : in.seen) {
            next[each.partition] = each.offset + 1;
        }
        std::vector<position> positions;
        for (const auto& [partition, offset] : next) {
            positions.push_back({{detail::intern("orders"), partition}, offset, {}});
        }
        CHECK_FALSE(in.commit(positions));
        CHECK(in.close());
    }
    test_publish last("orders", "key", "last");
    CHECK_FALSE(bus.publish(last));
    stream_driver in(bus.get(), {"orders"});
    REQUIRE(in.until([&] { return !in.seen.empty(); }));
    CHECK(in.seen.front().payload == "last");
    CHECK(in.seen.size() == 1);
    CHECK(in.close());
    CHECK_FALSE(bus.stop());
}
