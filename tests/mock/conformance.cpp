#include "conformance.hpp"

#include "kafka_options.hpp"
#include "mock_cluster.hpp"
#include "with_spool.hpp"

#include <cobus/kafka.hpp>
#include <cobus/testing.hpp>

#include <chrono>
#include <string>

namespace {

using cobus::test::kafka_request;
using cobus::testing::request;
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
        .cluster_faults = without("one broker has no other to move to: three are below"),
        .keeps_for_later = without("Kafka alone has no spool: it is below"),
        .max_payload = cobus::test::largest_payload,
        .too_large = cobus::test::largest_payload + 1,
        .member_silence = std::chrono::milliseconds(3000)};

    mock_fixture() : mock_fixture(1) {}
    explicit mock_fixture(int brokers) : cluster(brokers) {}

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

/// Three brokers, so that one can take over from another.
struct three_brokers_fixture : mock_fixture {
    static constexpr transport_traits traits = [] {
        transport_traits made = mock_fixture::traits;
        made.cluster_faults = cobus::testing::capability();
        return made;
    }();

    three_brokers_fixture() : mock_fixture(3) {}

    void move_leaders(const std::string& topic) {
        ++moved;
        for (int partition = 0; partition < 4; ++partition) {
            cluster.set_leader(topic, partition, 1 + (partition + moved) % 3);
        }
    }
    void move_coordinator(const std::string& group) {
        ++moved;
        cluster.set_group_coordinator(group, 1 + moved % 3);
    }
    void refuse(request what) {
        switch (what) {
        case request::publish:
            cluster.push_errors(kafka_request::produce, {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                                         RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                                         RD_KAFKA_RESP_ERR__TRANSPORT});
            break;
        case request::fetch:
            cluster.push_errors(kafka_request::fetch, {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                                       RD_KAFKA_RESP_ERR__TRANSPORT});
            break;
        case request::commit:
            cluster.push_errors(kafka_request::offset_commit,
                                {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                 RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR__TRANSPORT});
            break;
        case request::join:
            cluster.push_errors(
                kafka_request::join_group,
                {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR});
            break;
        }
    }
    void answer_after(std::chrono::milliseconds time) { cluster.set_round_trip(time); }

    int moved = 0;
};

} // namespace

TEST_CASE("Kafka bears what goes wrong in a mock cluster of three brokers") {
    cobus::test::run_conformance<three_brokers_fixture>({.at_once = 4, .only = "C7"});
}

TEST_CASE("Kafka with a spool conforms on a mock cluster of three brokers") {
    cobus::test::run_conformance<cobus::test::with_spool<three_brokers_fixture>>({.at_once = 8});
}

TEST_CASE("Kafka conforms on the mock cluster") {
    cobus::test::run_conformance<mock_fixture>({.at_once = 8});
}
