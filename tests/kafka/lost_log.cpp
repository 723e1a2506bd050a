#include "kafka_options.hpp"
#include "kafka_server.hpp"
#include "plain_client.hpp"
#include "transport_driver.hpp"

#include <cobus/kafka.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

// A broker that lost the end of its log, as after a power failure: a producer's next message has no
// place there, which ends the producer for good.

namespace lost_log_test {

using namespace std::chrono_literals;
namespace files = std::filesystem;

/// Where the batches of a log file end.
auto ends_of_batches(const files::path& log) -> std::vector<std::uintmax_t> {
    constexpr std::size_t head = 12; // the offset, and the length of what follows
    std::vector<std::uintmax_t> ends;
    std::ifstream in(log, std::ios::binary);
    std::array<char, head> bytes{};
    for (std::uintmax_t at = 0; in.read(bytes.data(), head);) {
        std::uint32_t length = 0;
        for (std::size_t i = 8; i < head; ++i) {
            length = length << 8U | static_cast<unsigned char>(bytes.at(i));
        }
        at += head + length;
        ends.push_back(at);
        in.seekg(static_cast<std::streamoff>(at));
    }
    return ends;
}

/// Takes the last batches off, and what the broker would know of them otherwise.
void forget_last(const files::path& partition, std::size_t batches) {
    const files::path log = partition / "00000000000000000000.log";
    std::vector<std::uintmax_t> ends = ends_of_batches(log);
    while (ends.size() > 1 && ends.back() > files::file_size(log)) {
        ends.pop_back();
    }
    REQUIRE(ends.size() > batches);
    files::resize_file(log, ends.at(ends.size() - 1 - batches));
    for (const auto& each : files::directory_iterator(partition)) {
        if (each.path().extension() != ".log" && each.path().filename() != "partition.metadata") {
            files::remove(each.path());
        }
    }
}

} // namespace lost_log_test

TEST_CASE("when a broker lost the end of its log, what was not sent yet follows in its order") {
    using namespace lost_log_test;
    cobus::test::kafka_server server;
    const std::string topic = "lost";
    cobus::test::plain_create_topic(server.brokers(), topic, 1);
    cobus::test::log_lines lines;
    cobus::transport_options options = cobus::test::quick_kafka(server.brokers());
    options.log = lines.logger();
    options.delivery_timeout = 60s;
    options.properties["batch.num.messages"] = "10";
    cobus::test::transport_driver bus(cobus::kafka(), options);
    REQUIRE_FALSE(bus.start());
    for (int i = 0; i < 40; ++i) { // a batch each
        cobus::test::test_publish node(topic, "k", std::to_string(i));
        REQUIRE_FALSE(bus.publish(node));
    }
    server.kill();
    forget_last(server.data() / (topic + "-0"), 5);

    std::deque<cobus::test::test_publish> nodes;
    for (int i = 40; i < 2000; ++i) {
        nodes.emplace_back(topic, "k", std::to_string(i));
        REQUIRE(bus.get().publish(nodes.back(), true) == cobus::taken::pending);
    }
    server.restart();
    std::size_t failed = 0;
    for (const cobus::test::test_publish& each : nodes) {
        REQUIRE(each.ended.reaches(1));
        failed += each.ec ? 1U : 0U;
    }
    MESSAGE(failed << " of " << nodes.size() << " failed");
    CHECK(lines.count("the producer failed and is replaced") >= 1);
    CHECK(failed <= 50); // what was under way: five requests
    CHECK_FALSE(bus.stop());

    const std::size_t count = cobus::test::plain_count(server.brokers(), topic);
    const auto there = cobus::test::plain_consume(server.brokers(), topic, count);
    CHECK(there.size() + failed >= 35 + nodes.size());
    int before = -1;
    std::size_t displaced = 0;
    for (const cobus::test::plain_message& each : there) {
        const int number = std::stoi(each.payload);
        displaced += number <= before ? 1U : 0U;
        before = number;
    }
    CHECK(displaced == 0);
    CHECK(before == 1999);
}
