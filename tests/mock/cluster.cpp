#include "mock_cluster.hpp"
#include "plain_client.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace cobus::test;
using namespace std::chrono_literals;

namespace {

auto message(const std::string& payload) -> plain_message {
    plain_message made;
    made.payload = payload;
    return made;
}

auto elapsed(auto what) -> std::chrono::steady_clock::duration {
    const auto begin = std::chrono::steady_clock::now();
    what();
    return std::chrono::steady_clock::now() - begin;
}

} // namespace

TEST_CASE("the mock cluster gives back what was written") {
    mock_cluster cluster;
    cluster.create_topic("t", 2);
    plain_message written = message("body");
    written.key = "key";
    written.headers = {{"name", "value"}};
    written.partition = 1;
    plain_produce(cluster.brokers(), "t", {written});

    const auto read = plain_consume(cluster.brokers(), "t", 1);
    REQUIRE(read.size() == 1);
    CHECK(read[0].payload == "body");
    CHECK(read[0].key == "key");
    CHECK(read[0].headers == written.headers);
    CHECK(read[0].partition == 1);
    CHECK(read[0].offset == 0);
}

TEST_CASE("a mock broker that was down has its data when it is up again") {
    mock_cluster cluster(3);
    plain_produce(cluster.brokers(), "t", {message("before")});
    cluster.down();
    CHECK_THROWS(
        plain_produce(cluster.brokers(), "t", {message("lost")}, {{"message.timeout.ms", "300"}}));
    cluster.up();
    plain_produce(cluster.brokers(), "t", {message("after")});
    CHECK(plain_consume(cluster.brokers(), "t", 2).size() == 2);
}

TEST_CASE("pushed errors answer the next requests") {
    mock_cluster cluster;
    cluster.create_topic("t", 1);
    cluster.push_errors(kafka_request::produce, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
    CHECK_THROWS_WITH(plain_produce(cluster.brokers(), "t", {message("refused")}),
                      doctest::Contains("authorization"));
    plain_produce(cluster.brokers(), "t", {message("taken")});
    CHECK(plain_consume(cluster.brokers(), "t", 1).at(0).payload == "taken");

    cluster.push_errors(kafka_request::produce, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
    cluster.clear_errors(kafka_request::produce);
    CHECK_NOTHROW(plain_produce(cluster.brokers(), "t", {message("taken")}));
}

TEST_CASE("a pushed answer or a round trip time delays what the broker says") {
    mock_cluster cluster;
    cluster.create_topic("t", 1);
    const auto produce = [&] { plain_produce(cluster.brokers(), "t", {message("late")}); };
    cluster.push_answer(1, kafka_request::produce, RD_KAFKA_RESP_ERR_NO_ERROR, 300ms);
    CHECK(elapsed(produce) >= 300ms);
    cluster.set_round_trip(300ms);
    CHECK(elapsed(produce) >= 300ms);
}

TEST_CASE("the leader of a partition can be moved and writing goes on") {
    mock_cluster cluster(2);
    cluster.create_topic("t", 1, 2);
    cluster.set_leader("t", 0, 1);
    plain_produce(cluster.brokers(), "t", {message("on one")});
    cluster.set_leader("t", 0, 2);
    cluster.down(1);
    plain_produce(cluster.brokers(), "t", {message("on two")});
    CHECK(plain_consume(cluster.brokers(), "t", 2).size() == 2);
}

// Older ones may crash on such metadata: librdkafka's issue 4907, mended in 2.10.
TEST_CASE("metadata tells a topic's error until it is taken back" *
          doctest::skip(rd_kafka_version() < 0x020a00ff)) {
    mock_cluster cluster;
    cluster.create_topic("t", 1);
    cluster.set_topic_error("t", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    CHECK_THROWS(plain_produce(cluster.brokers(), "t", {message("refused")},
                               {{"message.timeout.ms", "300"}}));
    cluster.set_topic_error("t", RD_KAFKA_RESP_ERR_NO_ERROR);
    CHECK_NOTHROW(plain_produce(cluster.brokers(), "t", {message("taken")}));
}

TEST_CASE("a broker that does not exist is refused by name") {
    mock_cluster cluster;
    CHECK_THROWS_WITH(cluster.down(7), doctest::Contains("mock cluster"));
}
