#include "conformance.hpp"

#include "mock_cluster.hpp"

#include <cobus/kafka.hpp>
#include <cobus/testing.hpp>
#include <cobus/transport/failover.hpp>
#include <cobus/transport/memory.hpp>

#include <chrono>
#include <string>

namespace {

using cobus::test::kafka_request;
using cobus::testing::transport_traits;
using cobus::testing::without;

/// librdkafka's own mock cluster, one for each case.
struct mock_fixture {
    static constexpr transport_traits traits{
        .exact_publish =
            without("the mock cluster neither checks sequences nor removes duplicates"),
        .metadata_commit = without("the mock cluster drops it"),
        .transactions = without("they are another issue"),
        .offset_gaps = without("the mock cluster writes no transaction markers"),
        .growing_topics = without("the mock cluster cannot add partitions"),
        .steady_rebalance =
            without("the mock cluster refuses commits from the moment that a member joins"),
        .max_payload = 900'000,
        .too_large = 1'100'000,
        .member_silence = std::chrono::milliseconds(3000)};

    mock_fixture() : cluster(1) {}

    [[nodiscard]] auto transport() const -> cobus::transport_factory { return cobus::kafka(); }
    void configure(cobus::settings& how) const {
        how.kafka(true)
            .brokers(cluster.brokers())
            .property("fetch.wait.max.ms", "10")
            .property("reconnect.backoff.max.ms", "200")
            .property("session.timeout.ms", "3000")
            .property("max.poll.interval.ms", "3000")
            .property("heartbeat.interval.ms", "500");
    }
    void create_topic(const std::string& name, int partitions) {
        cluster.create_topic(name, partitions);
    }
    /// Answers come again when the broker does: nothing is acknowledged meanwhile.
    void stall() { cluster.down(); }
    void resume() { cluster.up(); }
    void disturb() {
        cluster.push_errors(kafka_request::produce,
                            {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR__TRANSPORT});
    }
    void down() { cluster.down(); }
    void up() { cluster.up(); }

    cobus::test::mock_cluster cluster;
};

/// Kafka with this process to fall back on, and events that wait for Kafka's return.
struct waiting_failover_fixture : mock_fixture {
    [[nodiscard]] static auto transport() -> cobus::transport_factory {
        return cobus::with_fallback(cobus::kafka(), cobus::memory(), false);
    }
    void configure(cobus::settings& how) const {
        mock_fixture::configure(how);
        how.when_away(cobus::policy::wait);
    }
};

} // namespace

TEST_CASE("Kafka conforms on the mock cluster") {
    cobus::test::run_conformance<mock_fixture>({.at_once = 8});
}

TEST_CASE("Kafka with memory to fall back on conforms on the mock cluster") {
    cobus::test::run_conformance<waiting_failover_fixture>({.at_once = 8});
}
