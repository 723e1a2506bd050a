#include "../support/kafka_options.hpp"
#include "../support/mock_cluster.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/detail/murmur2.hpp>
#include <cobus/kafka.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

using namespace cobus;
using namespace cobus::test;
using namespace std::chrono_literals;

namespace {

using steady = std::chrono::steady_clock;

} // namespace

TEST_CASE("a publish to a topic that was never used takes no timer's second") {
    mock_cluster cluster;
    cluster.create_topic("warm", 1);
    for (int i = 0; i < 5; ++i) {
        cluster.create_topic("cold-" + std::to_string(i), 1);
    }
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    test_publish warm("warm", "k", "v"); // the producer's id comes with the first
    REQUIRE_FALSE(bus.publish(warm));
    for (int i = 0; i < 5; ++i) {
        const auto before = steady::now();
        test_publish node("cold-" + std::to_string(i), "k", "v");
        CHECK_FALSE(bus.publish(node));
        CHECK(steady::now() - before < 400ms);
    }
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a topic comes into being on a cluster that makes none on request") {
    mock_cluster cluster;
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    test_publish node("new", "k", "v");
    CHECK_FALSE(bus.publish(node));
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a full queue suspends publishers, first come first served") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    cluster.down();
    transport_options options = quick_kafka(cluster.brokers());
    options.queue_messages = 10;
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    std::deque<test_publish> nodes;
    for (int i = 0; i < 10; ++i) {
        nodes.emplace_back("orders", "k", std::to_string(i));
        REQUIRE(bus.get().publish(nodes.back(), false) == taken::pending);
    }
    test_publish refused("orders", "k", "refused");
    CHECK(bus.get().publish(refused, false) == taken::full);
    for (int i = 10; i < 30; ++i) {
        nodes.emplace_back("orders", "k", std::to_string(i));
        REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
    }
    CHECK(bus.get().publish(refused, false) == taken::full);
    SUBCASE("and all of them are sent in order when there is room") {
        cluster.up();
        for (auto& each : nodes) {
            REQUIRE(each.ended.reaches(1));
            CHECK_FALSE(each.ec);
        }
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            CHECK(nodes[i].where.offset() == static_cast<std::int64_t>(i));
        }
    }
    SUBCASE("and one of them may go away") {
        CHECK(bus.get().withdraw(nodes[15]));
        CHECK(bus.get().withdraw(nodes[10])); // the first in line
        CHECK(bus.get().withdraw(nodes[29])); // the last in line
        CHECK_FALSE(bus.get().withdraw(nodes[15]));
        CHECK_FALSE(bus.get().withdraw(nodes[3])); // librdkafka has it
        cluster.up();
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            if (i != 10 && i != 15 && i != 29) {
                REQUIRE(nodes[i].ended.reaches(1));
                CHECK_FALSE(nodes[i].ec);
            }
        }
        CHECK(nodes[28].where.offset() == 26);
        CHECK(nodes[15].ended.count() == 0);
    }
    SUBCASE("and a stop ends them all in time") {
        const auto before = steady::now();
        CHECK_FALSE(bus.stop(300ms));
        CHECK(steady::now() - before < 2s);
        for (auto& each : nodes) {
            CHECK(each.ended.count() == 1);
            CHECK(each.ec == errc::timed_out);
        }
        return;
    }
    CHECK_FALSE(bus.stop());
    CHECK(std::ranges::all_of(nodes, [](const auto& each) { return each.ended.count() <= 1; }));
}

TEST_CASE("a queue is full by bytes too") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    cluster.down();
    transport_options options = quick_kafka(cluster.brokers());
    options.queue_bytes = 2U << 20U;
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    std::deque<test_publish> nodes;
    taken what = taken::pending;
    while (what == taken::pending && nodes.size() < 100) {
        nodes.emplace_back("orders", "k", std::string(100000, 'x'));
        what = bus.get().publish(nodes.back(), false);
    }
    CHECK(what == taken::full);
    CHECK(nodes.size() > 15);
    CHECK(nodes.size() < 25);
    CHECK_FALSE(bus.stop(100ms));
}

TEST_CASE("a message that waited too long was certainly not sent") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    cluster.down();
    transport_options options = quick_kafka(cluster.brokers());
    options.delivery_timeout = 1500ms;
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    test_publish node("orders", "k", "v");
    CHECK(bus.publish(node) == errc::timed_out);
    CHECK(node.ec == condition::retryable);
    CHECK_FALSE(bus.stop());
    CHECK(node.ended.count() == 1);
}

TEST_CASE("without a spool, a message that was to be kept times out as others do") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    cluster.down();
    transport_options options = quick_kafka(cluster.brokers());
    options.delivery_timeout = 1500ms;
    SUBCASE("alone") {
        transport_driver bus(kafka(), options);
        REQUIRE_FALSE(bus.start());
        for (const policy what : {policy::spool, policy::deliver_and_spool}) {
            test_publish node("orders", "k", "v");
            node.when_away = what;
            CHECK(bus.publish(node) == errc::timed_out);
        }
        CHECK_FALSE(bus.stop());
    }
    SUBCASE("and with one behind it, it stays until Kafka is back") {
        options.spool_behind = true;
        transport_driver bus(kafka(), options);
        REQUIRE_FALSE(bus.start());
        test_publish kept("orders", "k", "v");
        kept.when_away = policy::spool;
        REQUIRE(bus.get().publish(kept, true) == taken::pending);
        test_publish other("letters", "k", "v");
        CHECK(bus.publish(other) == errc::timed_out); // its topic is another
        CHECK(kept.ended.count() == 0);
        cluster.up();
        REQUIRE(kept.ended.reaches(1));
        CHECK_FALSE(kept.ec);
        CHECK_FALSE(bus.stop());
    }
}

TEST_CASE("a message that timed out while under way may have been sent") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_options options = quick_kafka(cluster.brokers());
    options.delivery_timeout = 1500ms;
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    test_publish first("orders", "k", "1");
    REQUIRE_FALSE(bus.publish(first));
    cluster.push_answer(1, kafka_request::produce, RD_KAFKA_RESP_ERR_NO_ERROR, 5s);
    test_publish node("orders", "k", "v");
    CHECK(bus.publish(node) == errc::maybe_sent);
    CHECK_FALSE(bus.stop(100ms));
}

TEST_CASE("a message that is too large fails alone") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    test_publish large("orders", "k", std::string(2U << 20U, 'x'));
    CHECK(bus.publish(large) == errc::too_large);
    CHECK(large.ec == condition::permanent);
    test_publish small("orders", "k", "v");
    CHECK_FALSE(bus.publish(small));
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a refusal of one topic is its own error") {
    mock_cluster cluster;
    cluster.create_topic("secret", 1);
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    cluster.push_errors(kafka_request::produce, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
    test_publish node("secret", "k", "v");
    CHECK(bus.publish(node) == errc::not_authorized);
    CHECK_FALSE(bus.stop());
}

TEST_CASE("transient refusals are retried unseen") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    cluster.push_errors(kafka_request::produce,
                        {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                         RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT});
    test_publish node("orders", "k", "v");
    CHECK_FALSE(bus.publish(node));
    CHECK_FALSE(bus.stop());
}

TEST_CASE("after a stop nothing is taken") {
    mock_cluster cluster;
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    CHECK_FALSE(bus.stop());
    test_publish node("orders", "k", "v");
    CHECK(bus.get().publish(node, true) == taken::done);
    CHECK(node.ec == errc::closed);
}

TEST_CASE("publishing and stopping need no start") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    test_publish node("orders", "k", "v");
    REQUIRE(bus.get().publish(node, true) == taken::pending);
    CHECK_FALSE(bus.stop());
    CHECK(node.ended.count() == 1);
    CHECK_FALSE(node.ec);
}

TEST_CASE("a stop sends what lingers") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_options options = quick_kafka(cluster.brokers());
    options.properties["linger.ms"] = "60000";
    options.delivery_timeout = 120s;
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    std::deque<test_publish> nodes;
    for (int i = 0; i < 100; ++i) {
        nodes.emplace_back("orders", "k", std::to_string(i));
        REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
    }
    const auto before = steady::now();
    CHECK_FALSE(bus.stop(20s));
    CHECK(steady::now() - before < 10s);
    for (auto& each : nodes) {
        CHECK(each.ended.count() == 1);
        CHECK_FALSE(each.ec);
    }
}

TEST_CASE("of acknowledgements that come together each is told, in order") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_options options = quick_kafka(cluster.brokers());
    options.properties["linger.ms"] = "200";
    for (const int count : {63, 64, 65, 500}) { // a run reads 64
        transport_driver bus(kafka(), options);
        REQUIRE_FALSE(bus.start());
        std::deque<test_publish> nodes;
        for (int i = 0; i < count; ++i) {
            nodes.emplace_back("orders", "k", std::to_string(i));
            REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
        }
        REQUIRE(nodes.back().ended.reaches(1));
        CHECK_FALSE(bus.stop());
        const std::int64_t first = nodes.front().where.offset();
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            CHECK(nodes[i].ended.count() == 1); // also those before the last
            CHECK_FALSE(nodes[i].ec);
            CHECK(nodes[i].where.offset() == first + static_cast<std::int64_t>(i));
        }
    }
}

TEST_CASE("a transport may go while the half of many acknowledgements is told") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_options options = quick_kafka(cluster.brokers());
    options.properties["linger.ms"] = "200";
    std::deque<test_publish> nodes;
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    for (int i = 0; i < 2000; ++i) {
        nodes.emplace_back("orders", "k", std::to_string(i));
        REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
    }
    REQUIRE(nodes.front().ended.reaches(1));
    bus.destroy();
    const auto told =
        std::ranges::count_if(nodes, [](const auto& each) { return each.ended.count() > 0; });
    CHECK(told >= 1);
    CHECK(std::ranges::all_of(nodes, [](const auto& each) { return each.ended.count() <= 1; }));
}

TEST_CASE("a transport that is destroyed without a stop tells nobody and hangs nowhere") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    cluster.down();
    std::deque<test_publish> nodes;
    {
        transport_options options = quick_kafka(cluster.brokers());
        options.queue_messages = 10;
        transport_driver bus(kafka(), options);
        REQUIRE_FALSE(bus.start());
        for (int i = 0; i < 20; ++i) {
            nodes.emplace_back("orders", "k", std::to_string(i));
            REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
        }
        const auto before = steady::now();
        bus.destroy();
        CHECK(steady::now() - before < 200ms);
    }
    CHECK(std::ranges::all_of(nodes, [](const auto& each) { return each.ended.count() == 0; }));
}

TEST_CASE("a transport outlives its context") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    awaited_operation started;
    counting_waker changed;
    counting_waker ready;
    std::unique_ptr<transport> carrier;
    std::unique_ptr<stream> in;
    test_publish node("orders", "k", "v");
    {
        running_context context;
        transport_options options = quick_kafka(cluster.brokers());
        options.executor = context.executor();
        carrier = kafka()(options);
        carrier->start(changed, started);
        REQUIRE(started.ended.reaches(1));
        interest wanted;
        wanted.topics = {detail::intern("orders")};
        in = carrier->subscribe(wanted, ready);
        REQUIRE(carrier->publish(node, true) == taken::pending);
        REQUIRE(node.ended.reaches(1));
        context.end();
        in.reset(); // as the bus's service does before the context dies
        carrier.reset();
    }
    CHECK_FALSE(node.ec);
}

TEST_CASE("keys go where Kafka's other clients put them") {
    mock_cluster cluster;
    cluster.create_topic("orders", 12);
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    for (int i = 0; i < 50; ++i) {
        const std::string key = "key-" + std::to_string(i);
        test_publish node("orders", key, "v");
        CHECK_FALSE(bus.publish(node));
        CHECK(node.where.partition() == static_cast<std::int32_t>(detail::partition_of(key, 12)));
    }
    test_publish chosen("orders", "key", "v");
    chosen.partition = 7;
    CHECK_FALSE(bus.publish(chosen));
    CHECK(chosen.where.partition() == 7);
    test_publish nowhere("orders", "key", "v");
    nowhere.partition = 12;
    CHECK(bus.publish(nowhere) == condition::permanent);
    CHECK_FALSE(bus.stop());
}
