#include "../support/kafka_options.hpp"
#include "../support/mock_cluster.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/kafka.hpp>
#include <cobus/transport/failover.hpp>
#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <vector>

using namespace cobus;
using namespace cobus::test;
using namespace std::chrono_literals;

namespace {

auto options_for(const mock_cluster& cluster, log_lines& lines) -> transport_options {
    transport_options options = quick_kafka(cluster.brokers());
    options.delivery_timeout = 2s;
    options.log = lines.logger();
    return options;
}
auto over_kafka(bool required = false) -> transport_factory {
    return with_fallback(kafka(), memory(), required);
}

struct numbered : test_publish {
    numbered(const std::string& key, int number, policy how)
        : test_publish("orders", key, std::to_string(number)) {
        when_away = how;
    }
};

} // namespace

TEST_CASE("started without Kafka it works in process, and moves over by itself, a line each") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    cluster.down();
    log_lines lines;
    transport_driver bus(over_kafka(), options_for(cluster, lines));
    const auto before = std::chrono::steady_clock::now();
    REQUIRE_FALSE(bus.start());
    CHECK(std::chrono::steady_clock::now() - before < 3s);
    CHECK(bus.get().health().what == state::degraded);

    std::vector<std::string> seen;
    std::vector<bool> in_process;
    stream_driver reader(bus.get(), {"orders"});
    reader.on_message = [&](delivery& each) {
        seen.emplace_back(each.content->payload());
        in_process.push_back(each.in_process);
        return true;
    };
    numbered first("k", 1, policy::deliver);
    CHECK_FALSE(bus.publish(first));
    CHECK(first.where.degraded());
    CHECK(first.where.way() == path::memory);
    CHECK(reader.until([&] { return seen.size() == 1; }));

    cluster.up();
    REQUIRE(bus.becomes(link::up));
    numbered second("k", 2, policy::deliver);
    CHECK_FALSE(bus.publish(second));
    CHECK_FALSE(second.where.degraded());
    CHECK(second.where.way() == path::kafka);
    CHECK(second.where.durable());
    CHECK(reader.until([&] { return seen.size() == 2; }));
    CHECK(seen == std::vector<std::string>{"1", "2"});
    CHECK(in_process == std::vector<bool>{true, false});
    CHECK(lines.count("is away") == 1);
    CHECK(lines.count("answers again") == 1);
    CHECK(lines.count("1 event stayed in process") == 1);
    CHECK(reader.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a required Kafka that refuses fails the start and says why") {
    mock_cluster cluster;
    cluster.down();
    log_lines lines;
    transport_driver bus(over_kafka(true), options_for(cluster, lines));
    CHECK(bus.start() == errc::kafka_required);
    CHECK(bus.get().state().detail.find("refused") != std::string::npos);
    CHECK_FALSE(bus.stop());
}

TEST_CASE("no event is lost and no key reordered when the brokers go and come under load") {
    mock_cluster cluster;
    cluster.create_topic("orders", 4);
    log_lines lines;
    transport_driver bus(over_kafka(), options_for(cluster, lines));
    REQUIRE_FALSE(bus.start());
    std::map<std::string, std::vector<int>> seen;
    std::size_t count = 0;
    stream_driver reader(bus.get(), {"orders"});
    reader.on_message = [&](delivery& each) {
        seen[std::string(*each.content->key())].push_back(
            std::stoi(std::string(each.content->payload())));
        ++count;
        return true;
    };
    std::deque<numbered> sent;
    int number = 0;
    const auto publish = [&](int how_many) {
        for (int i = 0; i < how_many; ++i, ++number) {
            numbered& node =
                sent.emplace_back("k" + std::to_string(number % 7), number, policy::deliver);
            CHECK(bus.get().publish(node, true) == taken::pending);
        }
    };
    const auto publish_away = [&](int how_many) {
        for (int i = 0; i < how_many; ++i, ++number) {
            numbered& node =
                sent.emplace_back("k" + std::to_string(number % 7), number, policy::deliver);
            if (bus.get().publish(node, true) == taken::done) {
                node.ended.happened();
            }
        }
    };
    publish(500);
    CHECK(reader.until([&] { return count == 500; }));
    cluster.down();
    publish_away(100); // the client takes some of them before it hears of the outage
    REQUIRE(bus.becomes(link::down));
    publish_away(400);
    CHECK(reader.until([&] { return sent.back().ended.count() == 1; }));
    cluster.up();
    REQUIRE(bus.becomes(link::up));
    publish(500);
    std::size_t failed = 0;
    std::size_t degraded = 0;
    for (numbered& node : sent) {
        REQUIRE(reader.until([&] { return node.ended.count() == 1; }));
        failed += node.ec ? 1U : 0U;
        degraded += node.where.degraded() ? 1U : 0U;
    }
    MESSAGE("in process " << degraded << ", may have been sent " << failed);
    CHECK(degraded >= 400);
    CHECK(reader.until([&] { return count >= sent.size() - failed; }));
    for (const auto& [key, numbers] : seen) {
        CAPTURE(key);
        CHECK(std::ranges::is_sorted(numbers));
    }
    CHECK(lines.count("is away") == 1);
    CHECK(reader.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("what waits through an outage arrives in Kafka, all of it, in order") {
    mock_cluster cluster;
    cluster.create_topic("orders", 4);
    cluster.create_topic("invoices", 1);
    log_lines lines;
    transport_driver bus(over_kafka(), options_for(cluster, lines));
    REQUIRE_FALSE(bus.start());
    std::deque<numbered> sent;
    const auto publish = [&](int how_many) {
        for (int i = 0; i < how_many; ++i) {
            const int number = static_cast<int>(sent.size());
            numbered& node =
                sent.emplace_back("k" + std::to_string(number % 7), number, policy::wait);
            CHECK(bus.get().publish(node, true) == taken::pending);
        }
    };
    publish(1000);
    cluster.down();
    test_publish impatient("invoices", "k", "1");
    impatient.when_away = policy::fail;
    if (bus.get().publish(impatient, true) == taken::done) { // the client has heard of the outage
        impatient.ended.happened();
    }
    publish(500);
    REQUIRE(bus.becomes(link::down));
    publish(500);
    // The outage lasts longer than other policies give the client: the messages stay in its queue.
    REQUIRE(impatient.ended.reaches(1));
    CHECK(impatient.ec == condition::retryable);
    cluster.up();
    publish(500);
    std::map<std::string, std::vector<int>> seen;
    std::size_t count = 0;
    stream_driver reader(bus.get(), {"orders"});
    reader.on_message = [&](delivery& each) {
        CHECK_FALSE(each.in_process);
        std::vector<int>& numbers = seen[std::string(*each.content->key())];
        const int number = std::stoi(std::string(each.content->payload()));
        if (numbers.empty() || std::ranges::find(numbers, number) == numbers.end()) {
            numbers.push_back(number);
            ++count;
        }
        return true;
    };
    std::size_t failed = 0;
    for (numbered& node : sent) {
        REQUIRE(reader.until([&] { return node.ended.count() == 1; }));
        failed += node.ec ? 1U : 0U;
    }
    CHECK(failed == 0);
    CHECK(reader.until([&] { return count == sent.size(); }));
    for (const auto& [key, numbers] : seen) {
        CHECK(std::ranges::is_sorted(numbers));
    }
    CHECK(reader.close());
    CHECK_FALSE(bus.stop());
}
