#pragma once

#include <librdkafka/rdkafka.h>
// after rdkafka.h, which it needs
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace cobus::test {

/// Kafka's requests, by their number on the wire.
enum class kafka_request : std::int16_t {
    produce = 0,
    fetch = 1,
    list_offsets = 2,
    metadata = 3,
    offset_commit = 8,
    offset_fetch = 9,
    find_coordinator = 10,
    join_group = 11,
    heartbeat = 12,
    leave_group = 13,
    sync_group = 14,
    api_versions = 18,
    init_producer_id = 22,
    add_partitions_to_txn = 24,
    add_offsets_to_txn = 25,
    end_txn = 26,
    txn_offset_commit = 28,
};

/// librdkafka's own pretence of a cluster, on ports of this process: for fast tests and for faults
/// on command. Brokers count from 1. Any thread may call it. Destroy the clients before it.
/// A fetch that finds nothing waits fetch.wait.max.ms in full: give consumers about 10.
class mock_cluster {
public:
    explicit mock_cluster(int brokers = 1) : brokers_(brokers) {
        rd_kafka_conf_t* conf = rd_kafka_conf_new();
        rd_kafka_conf_set(conf, "log_level", "0", nullptr, 0);
        char reason[256] = "";
        client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
        if (client_ == nullptr) {
            rd_kafka_conf_destroy(conf);
            throw std::runtime_error(reason);
        }
        cluster_ = rd_kafka_mock_cluster_new(client_, brokers);
        if (cluster_ == nullptr) {
            rd_kafka_destroy(client_);
            throw std::runtime_error("librdkafka made no mock cluster");
        }
#if RD_KAFKA_VERSION >= 0x020800ff
        // An older one waits for three seconds, whatever is asked.
        rd_kafka_mock_group_initial_rebalance_delay_ms(cluster_, 200);
#endif
    }

    mock_cluster(const mock_cluster&) = delete;
    auto operator=(const mock_cluster&) -> mock_cluster& = delete;

    ~mock_cluster() {
        rd_kafka_mock_cluster_destroy(cluster_);
        rd_kafka_destroy(client_);
    }

    /// As for bootstrap.servers.
    [[nodiscard]] auto brokers() const -> std::string {
        return rd_kafka_mock_cluster_bootstraps(cluster_);
    }

    /// Topics that nobody created come into being with four partitions.
    void create_topic(const std::string& topic, int partitions, int replicas = 1) {
        check(rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, replicas));
    }

    /// What metadata says about the topic from now on; no error ends it. A client older than
    /// librdkafka 2.10 may crash on it.
    void set_topic_error(const std::string& topic, rd_kafka_resp_err_t error) {
        rd_kafka_mock_topic_set_error(cluster_, topic.c_str(), error);
    }

    /// Closes the connections and refuses new ones.
    void down(int broker) { check(rd_kafka_mock_broker_set_down(cluster_, broker)); }
    void up(int broker) { check(rd_kafka_mock_broker_set_up(cluster_, broker)); }
    void down() {
        each([this](int broker) { down(broker); });
    }
    void up() {
        each([this](int broker) { up(broker); });
    }

    /// Delays every answer of the broker.
    void set_round_trip(int broker, std::chrono::milliseconds time) {
        check(rd_kafka_mock_broker_set_rtt(cluster_, broker, static_cast<int>(time.count())));
    }
    void set_round_trip(std::chrono::milliseconds time) {
        each([this, time](int broker) { set_round_trip(broker, time); });
    }

    /// The next requests of this kind, on any broker, are answered by these errors, one each.
    /// `_TRANSPORT` closes the connection instead of an answer.
    void push_errors(kafka_request request, const std::vector<rd_kafka_resp_err_t>& errors) {
        rd_kafka_mock_push_request_errors_array(cluster_, number(request), errors.size(),
                                                errors.data());
    }

    /// As push_errors for one request on one broker, answered after the time; no error delays only.
    void push_answer(int broker, kafka_request request, rd_kafka_resp_err_t error,
                     std::chrono::milliseconds time) {
        check(rd_kafka_mock_broker_push_request_error_rtts(cluster_, broker, number(request), 1,
                                                           static_cast<int>(error),
                                                           static_cast<int>(time.count())));
    }

    void clear_errors(kafka_request request) {
        rd_kafka_mock_clear_request_errors(cluster_, number(request));
    }

    void set_leader(const std::string& topic, int partition, int broker) {
        check(rd_kafka_mock_partition_set_leader(cluster_, topic.c_str(), partition, broker));
    }

    void set_group_coordinator(const std::string& group, int broker) {
        check(rd_kafka_mock_coordinator_set(cluster_, "group", group.c_str(), broker));
    }

    void set_transaction_coordinator(const std::string& id, int broker) {
        check(rd_kafka_mock_coordinator_set(cluster_, "transaction", id.c_str(), broker));
    }

    /// For what is not wrapped here.
    [[nodiscard]] auto native() -> rd_kafka_mock_cluster_t* { return cluster_; }

private:
    static void check(rd_kafka_resp_err_t error) {
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
            throw std::runtime_error(std::string("mock cluster: ") + rd_kafka_err2str(error));
    }

    static auto number(kafka_request request) -> std::int16_t {
        return static_cast<std::int16_t>(request);
    }

    void each(auto what) {
        for (int broker = 1; broker <= brokers_; ++broker)
            what(broker);
    }

    int brokers_;
    rd_kafka_t* client_;
    rd_kafka_mock_cluster_t* cluster_;
};

} // namespace cobus::test
