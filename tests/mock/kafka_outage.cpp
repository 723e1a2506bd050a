#include "../support/kafka_options.hpp"
#include "../support/mock_cluster.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/kafka.hpp>

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

using namespace cobus;
using namespace cobus::test;
using namespace std::chrono_literals;

namespace {

using steady = std::chrono::steady_clock;

/// Accepts connections and never says a word.
class mute_server {
public:
    [[nodiscard]] auto address() const -> std::string {
        return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
    }

private:
    asio::io_context context_;
    asio::ip::tcp::acceptor acceptor_{context_,
                                      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
};

/// What a broker answers whose log ended before what the producer had acknowledged.
const std::vector<rd_kafka_resp_err_t> fenced(2, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);

} // namespace

TEST_CASE("the start ends at once when every broker refuses, and heals by itself") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    cluster.down();
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    const auto before = steady::now();
    REQUIRE_FALSE(bus.start());
    CHECK(steady::now() - before < 1s);
    CHECK(bus.get().state().what == link::down);
    CHECK(bus.get().state().cause.category().name() == std::string("librdkafka"));
    CHECK(bus.get().state().cause == condition::retryable);
    CHECK(bus.get().state().detail.find("refused") != std::string::npos);
    CHECK(bus.get().state().detail.find("check that Kafka runs there") != std::string::npos);
    test_publish waits("orders", "k", "v");
    REQUIRE(bus.get().publish(waits, true) == taken::pending);
    cluster.up();
    CHECK(bus.becomes(link::up));
    CHECK(waits.ended.reaches(1));
    CHECK_FALSE(waits.ec);
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a name that does not resolve is said at once") {
    transport_driver bus(kafka(), quick_kafka("no-such-host.invalid:9092"));
    const auto before = steady::now();
    REQUIRE_FALSE(bus.start());
    CHECK(steady::now() - before < 2900ms);
    CHECK(bus.get().state().what == link::down);
    CHECK(bus.get().state().cause.value() == RD_KAFKA_RESP_ERR__RESOLVE);
    CHECK(bus.get().state().detail.find("check the names") != std::string::npos);
    CHECK_FALSE(bus.stop());
}

TEST_CASE("one that accepts and never answers counts as away after the decision time") {
    mute_server server;
    transport_options options = quick_kafka(server.address());
    options.decision_time = 700ms;
    transport_driver bus(kafka(), options);
    const auto before = steady::now();
    REQUIRE_FALSE(bus.start());
    CHECK(steady::now() - before >= 700ms);
    CHECK(steady::now() - before < 2s);
    CHECK(bus.get().state().what == link::down);
    CHECK(bus.get().state().detail.find("700 ms") != std::string::npos);
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a lost cluster is noticed at once without traffic, and its return too") {
    mock_cluster cluster(3);
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    REQUIRE(bus.becomes(link::up));
    for (int round = 0; round < 2; ++round) {
        cluster.down();
        CHECK(bus.becomes(link::down, 5s));
        cluster.up();
        CHECK(bus.becomes(link::up, 5s));
    }
    CHECK_FALSE(bus.stop());
}

TEST_CASE("one broker of three away is not the cluster away") {
    mock_cluster cluster(3);
    cluster.create_topic("orders", 3);
    for (int partition = 0; partition < 3; ++partition) {
        cluster.set_leader("orders", partition, 2);
    }
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    test_publish first("orders", "k", "1");
    REQUIRE_FALSE(bus.publish(first));
    cluster.down(1);
    cluster.down(3);
    const auto until = steady::now() + 3s;
    int number = 0;
    while (steady::now() < until) {
        test_publish node("orders", "k", std::to_string(++number));
        REQUIRE_FALSE(bus.publish(node));
    }
    CHECK(bus.get().state().what == link::up);
    CHECK_FALSE(bus.stop());
}

TEST_CASE(
    "a cluster that stops answering is away after the decision time, and back when it answers") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_options options = quick_kafka(cluster.brokers());
    options.decision_time = 1000ms;
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    test_publish first("orders", "k", "1");
    REQUIRE_FALSE(bus.publish(first));
    cluster.push_answer(1, kafka_request::produce, RD_KAFKA_RESP_ERR_NO_ERROR, 4s);
    test_publish slow("orders", "k", "2");
    const auto before = steady::now();
    REQUIRE(bus.get().publish(slow, true) == taken::pending);
    CHECK(bus.becomes(link::down, 3s));
    CHECK(steady::now() - before >= 1000ms);
    CHECK(steady::now() - before < 2500ms);
    CHECK(slow.ended.reaches(1));
    CHECK_FALSE(slow.ec);
    CHECK(bus.becomes(link::up, 3s));
    CHECK_FALSE(bus.stop());
}

TEST_CASE("with `wait` a topic that was made for its reader is waited for as long as others") {
    mock_cluster cluster;
    cluster.create_topic("other", 1); // to make it may take as long as an event has
    transport_options options = quick_kafka(cluster.brokers());
    options.delivery_timeout = 1s; // of what does not wait
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    stream_driver reader(bus.get(), {"read-first"});
    REQUIRE(reader.until([&] { return !reader.assigned.empty(); }));
    const auto patient = [](test_publish& node) -> test_publish& {
        node.when_away = policy::wait;
        return node;
    };
    test_publish before("read-first", "k", "1");
    REQUIRE_FALSE(bus.publish(patient(before)));
    test_publish other("other", "k", "2");
    REQUIRE_FALSE(bus.publish(other));
    cluster.down();
    test_publish waits("read-first", "k", "3");
    REQUIRE(bus.get().publish(patient(waits), true) == taken::pending);
    for (int i = 0; i < 2; ++i) { // each takes the delivery timeout
        test_publish times_out("other", "k", "4");
        times_out.when_away = policy::fail;
        CHECK(bus.publish(times_out) == errc::timed_out);
    }
    CHECK(waits.ended.count() == 0);
    cluster.up();
    CHECK(waits.ended.reaches(1));
    CHECK_FALSE(waits.ec);
    CHECK(reader.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("an idle transport stays up without a wake") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_options options = quick_kafka(cluster.brokers());
    options.decision_time = 500ms;
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    test_publish first("orders", "k", "1");
    REQUIRE_FALSE(bus.publish(first));
    event_count never;
    CHECK_FALSE(never.reaches(1, 2s)); // four decision times of silence
    CHECK(bus.get().state().what == link::up);
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a consumer goes on after its cluster was away") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    test_publish first("orders", "k", "1");
    REQUIRE_FALSE(bus.publish(first));
    stream_driver in(bus.get(), {"orders"});
    REQUIRE(in.until([&] { return in.seen.size() == 1; }));
    cluster.down();
    REQUIRE(in.until([&] { return bus.get().state().what == link::down; }));
    cluster.up();
    test_publish second("orders", "k", "2");
    CHECK_FALSE(bus.publish(second));
    CHECK(in.until([&] { return in.seen.size() >= 2 && in.seen.back().payload == "2"; }));
    CHECK(in.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a producer that fails for good is replaced, and what it did not send goes again") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    log_lines lines;
    transport_options options = quick_kafka(cluster.brokers());
    options.log = lines.logger();
    options.properties["batch.num.messages"] = "10"; // so that most are not under way yet
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    test_publish first("orders", "k", "first");
    REQUIRE_FALSE(bus.publish(first));
    cluster.push_errors(kafka_request::produce, fenced);
    std::deque<test_publish> nodes;
    for (int i = 0; i < 2000; ++i) {
        nodes.emplace_back("orders", "k", std::to_string(i));
        REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
    }
    std::size_t failed = 0;
    for (test_publish& each : nodes) {
        REQUIRE(each.ended.reaches(1));
        failed += each.ec ? 1U : 0U;
        // Only what the cluster had, and refused or may have: nothing that never left.
        CHECK((each.ec != errc::fatal && each.ec != errc::timed_out));
    }
    CHECK(failed < nodes.size());
    // Requests that were under way may take both errors, or leave one to the next producer.
    CHECK(lines.count("the producer failed and is replaced") >= 1);
    test_publish last("orders", "k", "last");
    CHECK_FALSE(bus.publish(last));
    CHECK(bus.get().state().what == link::up);
    stream_driver in(bus.get(), {"orders"});
    REQUIRE(in.until([&] { return !in.seen.empty() && in.seen.back().payload == "last"; }));
    std::vector<int> numbers;
    for (const seen_message& each : in.seen) {
        if (each.payload != "first" && each.payload != "last") {
            numbers.push_back(std::stoi(each.payload));
        }
    }
    CHECK(numbers.size() >= nodes.size() - failed);
    // Their order is not judged here: the mock cluster does not check sequences.
    std::erase_if(numbers, [](int number) { return number < 200; });
    CHECK(numbers.size() + 200 + failed >= nodes.size());
    CHECK(in.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a producer that fails again and again has failed, and says so to every publisher") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_driver bus(kafka(), quick_kafka(cluster.brokers()));
    REQUIRE_FALSE(bus.start());
    test_publish first("orders", "k", "1");
    REQUIRE_FALSE(bus.publish(first));
    for (int i = 0; i < 4 && bus.get().state().what != link::failed; ++i) {
        cluster.push_errors(kafka_request::produce, fenced);
        test_publish refused("orders", "k", "2");
        CHECK(bus.publish(refused));
    }
    CHECK(bus.becomes(link::failed));
    test_publish later("orders", "k", "3");
    CHECK(bus.publish(later) == errc::fatal);
    CHECK(bus.get().state().cause);
    CHECK_FALSE(bus.stop());
}
