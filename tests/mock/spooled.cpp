#include "../support/kafka_options.hpp"
#include "../support/mock_cluster.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/kafka.hpp>
#include <cobus/transport/failover.hpp>
#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace spooled_mock_tests {

using namespace std::chrono_literals;
using namespace cobus::test;
using cobus::policy;
using cobus::taken;

struct numbered : test_publish {
    numbered(const std::string& key, int number)
        : test_publish("orders", key, std::to_string(number)) {
        when_away = policy::deliver_and_spool;
    }
};

/// What a topic has, of each key, each number once, in the order of their first copies.
class judge {
public:
    explicit judge(const std::string& brokers)
        : options_(options(brokers)), bus_(cobus::kafka(), options_) {
        REQUIRE_FALSE(bus_.start());
        reader_ = std::make_unique<stream_driver>(bus_.get(), std::vector<std::string>{"orders"});
        reader_->on_message = [this](cobus::delivery& each) {
            std::vector<int>& numbers = seen[std::string(*each.content->key())];
            const int number = std::stoi(std::string(each.content->payload()));
            if (std::ranges::find(numbers, number) == numbers.end()) {
                numbers.push_back(number);
                ++count;
            } else {
                ++again;
            }
            return true;
        };
    }
    auto reads(std::size_t wanted) -> bool {
        return reader_->until([&] { return count == wanted; });
    }
    ~judge() {
        reader_->close();
        (void)bus_.stop();
    }

    std::map<std::string, std::vector<int>> seen;
    std::size_t count = 0;
    std::size_t again = 0;

private:
    static auto options(const std::string& brokers) -> cobus::transport_options {
        cobus::transport_options made = quick_kafka(brokers);
        made.group_id = "judge";
        return made;
    }

    cobus::transport_options options_;
    transport_driver bus_;
    std::unique_ptr<stream_driver> reader_;
};

TEST_CASE("everything that was published is in Kafka, in order, through two outages under load") {
    mock_cluster cluster;
    cluster.create_topic("orders", 4);
    log_lines lines;
    cobus::transport_options options = quick_kafka(cluster.brokers());
    options.log = lines.logger();
    transport_driver bus(cobus::with_fallback(cobus::kafka(), cobus::memory(), false), options);
    REQUIRE_FALSE(bus.start());
    std::deque<numbered> sent;
    const auto publish = [&](int how_many) {
        for (int i = 0; i < how_many; ++i) {
            const int number = static_cast<int>(sent.size());
            numbered& node = sent.emplace_back("k" + std::to_string(number % 7), number);
            if (bus.get().publish(node, true) == taken::done) {
                node.ended.happened();
            }
        }
    };
    for (int outage = 0; outage < 2; ++outage) {
        publish(500);
        cluster.down();
        publish(500); // the client takes some of them before it hears of the outage
        REQUIRE(bus.becomes(cobus::link::down));
        publish(1000);
        cluster.up();
        REQUIRE(bus.becomes(cobus::link::up));
        publish(500);
    }
    std::size_t spooled = 0;
    for (numbered& node : sent) {
        REQUIRE(node.ended.reaches(1));
        CHECK_FALSE(node.ec);
        spooled += node.where.spooled() ? 1U : 0U;
    }
    CHECK(spooled >= 2000);
    judge there(cluster.brokers());
    CHECK(there.reads(sent.size()));
    for (const auto& [key, numbers] : there.seen) {
        CAPTURE(key);
        CHECK(std::ranges::is_sorted(numbers));
    }
    MESSAGE("kept " << spooled << ", twice in Kafka " << there.again);
    CHECK(bus.get().health().kept.messages == 0);
    CHECK(bus.get().health().what == cobus::state::connected);
    CHECK(lines.count("is away") == 2);
    CHECK(lines.count("has all that was kept for it") >= 1); // the second may hit the recovery
    CHECK_FALSE(bus.stop());
}

TEST_CASE("stopping while Kafka is away ends in time and says what is left") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    log_lines lines;
    cobus::transport_options options = quick_kafka(cluster.brokers());
    options.log = lines.logger();
    transport_driver bus(cobus::with_fallback(cobus::kafka(), cobus::memory(), false), options);
    REQUIRE_FALSE(bus.start());
    cluster.down();
    REQUIRE(bus.becomes(cobus::link::down));
    numbered one("k", 1);
    REQUIRE(bus.get().publish(one, true) == taken::done);
    CHECK(one.where.spooled());
    const auto before = std::chrono::steady_clock::now();
    (void)bus.stop(1s);
    CHECK(std::chrono::steady_clock::now() - before < 1500ms);
    CHECK(lines.count("stopped before Kafka had 1 event") == 1);
}

} // namespace spooled_mock_tests
