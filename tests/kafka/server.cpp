#include "kafka_server.hpp"
#include "plain_client.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <set>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

using namespace cobus::test;
using namespace std::chrono_literals;

namespace {

auto payloads(const std::vector<plain_message>& messages) -> std::multiset<std::string> {
    std::multiset<std::string> all;
    for (const plain_message& message : messages)
        all.insert(message.payload);
    return all;
}

auto plain(const std::string& payload) -> plain_message {
    plain_message made;
    made.payload = payload;
    return made;
}

} // namespace

TEST_CASE("a real Kafka gives back what was written, with key, headers, time and place") {
    const std::string brokers = kafka_brokers();
    plain_message written = plain("body");
    written.key = "key";
    written.headers = {{"one", "1"}, {"two", ""}};
    written.timestamp = 1'100'000'000'000;
    const std::string topic = "server.round-trip." + std::to_string(::getpid());
    plain_create_topic(brokers, topic, 1);
    plain_produce(brokers, topic, {plain("first"), written});

    const auto read = plain_consume(brokers, topic, 2);
    REQUIRE(read.size() == 2);
    CHECK(read[0].payload == "first");
    CHECK(!read[0].key);
    CHECK(read[1].payload == "body");
    CHECK(read[1].key == "key");
    CHECK(read[1].headers == written.headers);
    CHECK(read[1].timestamp == written.timestamp);
    CHECK(read[1].partition == 0);
    CHECK(read[1].offset == 1);
}

TEST_CASE("a killed Kafka comes back at the same address with its data") {
    kafka_server& server = kafka_server::shared();
    const std::string brokers = server.brokers();
    plain_produce(brokers, "server.kill", {plain("before")});

    server.kill();
    CHECK_THROWS(
        plain_produce(brokers, "server.kill", {plain("lost")}, {{"message.timeout.ms", "500"}}));
    server.restart();
    CHECK(server.brokers() == brokers);

    plain_produce(brokers, "server.kill", {plain("after")});
    CHECK(payloads(plain_consume(brokers, "server.kill", 2)) ==
          std::multiset<std::string>{"after", "before"});
}

TEST_CASE("a stopped Kafka comes back with its data") {
    kafka_server& server = kafka_server::shared();
    plain_produce(server.brokers(), "server.stop", {plain("before")});
    server.stop();
    server.restart();
    CHECK(plain_consume(server.brokers(), "server.stop", 1).size() == 1);
}

TEST_CASE("a frozen Kafka does not answer until it thaws") {
    kafka_server& server = kafka_server::shared();
    plain_produce(server.brokers(), "server.freeze", {plain("before")});
    server.freeze();
    CHECK_THROWS(plain_produce(server.brokers(), "server.freeze", {plain("lost")},
                               {{"message.timeout.ms", "500"}}));
    server.thaw();
    CHECK(plain_consume(server.brokers(), "server.freeze", 1).size() == 1);
}

TEST_CASE("a frozen Kafka can be killed") {
    kafka_server& server = kafka_server::shared();
    server.freeze();
    server.kill();
    server.restart();
    plain_produce(server.brokers(), "server.thaw", {plain("after")});
    CHECK(plain_consume(server.brokers(), "server.thaw", 1).size() == 1);
}

TEST_CASE("three brokers go on when one of them is killed, and take it back") {
    kafka_server servers(
        kafka_options{.brokers = 3, .properties = {"auto.create.topics.enable=false"}});
    plain_create_topic(servers.brokers(), "server.three", 3, 3);
    plain_produce(servers.brokers(), "server.three", {plain("before")});
    servers.kill(2);
    plain_produce(servers.brokers(), "server.three", {plain("during")});
    servers.restart(2);
    CHECK(payloads(plain_consume(servers.address(2), "server.three", 2)) ==
          std::multiset<std::string>{"before", "during"});
}

TEST_CASE("a Kafka that cannot start says why") {
    const auto broken = [] { kafka_server(kafka_options{.properties = {"num.partitions=none"}}); };
    CHECK_THROWS_WITH_AS(broken(), doctest::Contains("num.partitions"), std::runtime_error);
}

TEST_CASE("what a program started ends with it") {
    child_process program({"sh", "-c", "echo running; sleep 1000 & wait"});
    CHECK(program.read_line(10s) == "running");
    program.signal(SIGKILL);
    CHECK(program.wait(10s));
    // the output ends only when nobody holds it, and sleep was the last
    const auto begin = std::chrono::steady_clock::now();
    CHECK(!program.read_line(10s));
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
}
