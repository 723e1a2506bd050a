#include "../support/kafka_options.hpp"
#include "../support/mock_cluster.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/detail/murmur2.hpp>
#include <cobus/kafka.hpp>
#include <cobus/transport/failover.hpp>
#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace route_mock_tests {

using namespace std::chrono_literals;
using namespace cobus::test;
using cobus::policy;
using cobus::state;
using cobus::taken;
using steady = std::chrono::steady_clock;

constexpr std::uint32_t partitions = 3;

/// A key that lands there.
auto key_in(std::int32_t partition) -> std::string {
    for (int i = 0;; ++i) {
        std::string key = "k" + std::to_string(i);
        if (cobus::detail::partition_of(key, partitions) == static_cast<std::uint32_t>(partition)) {
            return key;
        }
    }
}

/// Three brokers, each of which leads the partition below its number.
struct three_brokers {
    three_brokers() {
        cluster.create_topic("orders", partitions, 3);
        for (int i = 0; i < static_cast<int>(partitions); ++i) {
            cluster.set_leader("orders", i, i + 1);
        }
        cobus::transport_options options = quick_kafka(cluster.brokers());
        options.log = lines.logger();
        bus = std::make_unique<transport_driver>(
            cobus::with_fallback(cobus::kafka(), cobus::memory(), false), options);
        REQUIRE_FALSE(bus->start());
        for (std::int32_t i = 0; i < static_cast<std::int32_t>(partitions); ++i) {
            CHECK_FALSE(publish(i).heard.where.spooled());
        }
    }
    /// Publishes and waits for the answer.
    auto publish(std::int32_t partition) -> answered_publish& {
        answered_publish& node = begin(partition);
        REQUIRE(node.ended.reaches(1));
        REQUIRE_FALSE(node.heard.ec);
        return node;
    }
    auto begin(std::int32_t partition, policy how = policy::spool) -> answered_publish& {
        answered_publish& node =
            sent.emplace_back("orders", key_in(partition), std::to_string(sent.size()));
        node.when_away = how;
        if (bus->get().publish(node, true) == taken::done) {
            node.completed(node);
        }
        return node;
    }
    [[nodiscard]] auto becomes(state wanted, std::chrono::milliseconds limit = 20s) -> bool {
        const auto end = steady::now() + limit;
        for (;;) {
            const std::size_t seen = bus->state_changed.wakes.count();
            if (bus->get().health().what == wanted) {
                return true;
            }
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(end - steady::now());
            if (left <= 0ms || !bus->state_changed.wakes.reaches(seen + 1, left)) {
                return bus->get().health().what == wanted;
            }
        }
    }

    mock_cluster cluster{3};
    log_lines lines;
    std::deque<answered_publish> sent;
    std::unique_ptr<transport_driver> bus;
};

TEST_CASE("a broker of three that answers no more closes the gates of its partitions alone") {
    three_brokers scene;
    scene.cluster.set_round_trip(2, 8s);
    const auto before = steady::now();
    answered_publish& stuck = scene.begin(1);
    std::size_t others = 0;
    while (stuck.ended.count() == 0 && steady::now() - before < 10s) {
        CHECK_FALSE(scene.publish(others++ % 2 == 0 ? 0 : 2).heard.where.spooled());
        (void)stuck.ended.reaches(1, 20ms);
    }
    const auto took = steady::now() - before;
    MESSAGE("answered after " << std::chrono::duration_cast<std::chrono::milliseconds>(took).count()
                              << " ms, others meanwhile: " << others);
    CHECK(took >= 3s);
    CHECK(took < 5s); // 3.5 s, on a machine that has time
    CHECK(stuck.heard.where.spooled());
    REQUIRE(scene.becomes(state::degraded));
    const cobus::health now = scene.bus->get().health();
    REQUIRE(now.routes.size() == 1);
    CHECK(now.routes[0].topic == "orders");
    CHECK(now.routes[0].partition == 1);
    CHECK(now.routes[0].why == "nothing came from broker 2 within 3000 ms");
    CHECK(scene.lines.count("a part is away (orders/1: ") == 1);

    const auto at = steady::now();
    CHECK(scene.publish(1).heard.where.spooled());
    CHECK(steady::now() - at < 500ms);
    CHECK_FALSE(scene.publish(0).heard.where.spooled());

    scene.cluster.set_round_trip(2, 0ms);
    CHECK(scene.becomes(state::connected));
    CHECK(scene.bus->get().health().kept.messages == 0);
    CHECK_FALSE(scene.publish(1).heard.where.spooled());
    CHECK_FALSE(scene.bus->stop());
}

TEST_CASE("a broker of three that answers no more keeps nobody waiting with deliver and fail") {
    three_brokers scene;
    scene.cluster.set_round_trip(2, 8s);
    const auto before = steady::now();
    answered_publish& delivered = scene.begin(1, policy::deliver);
    answered_publish& failed = scene.begin(1, policy::fail);
    std::size_t others = 0;
    while (delivered.ended.count() + failed.ended.count() < 2 && steady::now() - before < 12s) {
        answered_publish& other = scene.begin(others++ % 2 == 0 ? 0 : 2, policy::fail);
        REQUIRE(other.ended.reaches(1));
        CHECK_FALSE(other.heard.ec);
        (void)failed.ended.reaches(1, 20ms);
    }
    const auto took = steady::now() - before;
    CHECK(took >= 3s);
    CHECK(took < 5s);                                     // 3.5 s, on a machine that has time
    CHECK(delivered.heard.ec == cobus::errc::maybe_sent); // the client has them still
    CHECK(failed.heard.ec == cobus::errc::maybe_sent);
    REQUIRE(scene.becomes(state::degraded));

    const auto at = steady::now();
    answered_publish& refused = scene.begin(1, policy::fail);
    REQUIRE(refused.ended.reaches(1));
    CHECK(refused.heard.ec == cobus::errc::unavailable);
    answered_publish& waiting = scene.begin(1, policy::wait);
    CHECK(steady::now() - at < 500ms);
    CHECK(waiting.ended.count() == 0);

    scene.cluster.set_round_trip(2, 0ms);
    REQUIRE(waiting.ended.reaches(1));
    CHECK_FALSE(waiting.heard.ec);
    CHECK(scene.becomes(state::connected));
    CHECK(delivered.ended.count() == 1);
    CHECK(failed.ended.count() == 1);
    CHECK_FALSE(scene.bus->stop());
}

} // namespace route_mock_tests
