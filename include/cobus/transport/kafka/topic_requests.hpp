#pragma once

#include "handle.hpp"

#include <librdkafka/rdkafka.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace cobus::detail::kafka {

/// What the cluster says of a topic.
struct topic_answer {
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    int partitions = 0;
};

/// Asks the cluster, and has the client learn what it hears. Blocks. Not for a client that
/// produces: this may be its first handle of the topic, which decides how long the topic's messages
/// are tried.
inline auto ask_for_topic(rd_kafka_t* client, const char* topic, int limit_ms) noexcept
    -> topic_answer {
    const topic_ptr handle(rd_kafka_topic_new(client, topic, nullptr));
    if (!handle) {
        return {rd_kafka_last_error()};
    }
    const rd_kafka_metadata_t* found = nullptr;
    topic_answer made{rd_kafka_metadata(client, 0, handle.get(), &found, limit_ms)};
    if (made.code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        made.code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        if (found->topic_cnt == 1) {
            made = {found->topics[0].err, found->topics[0].partition_cnt};
        }
        rd_kafka_metadata_destroy(found);
    }
    return made;
}

/// Has the client learn of all topics that it has handles of. Blocks.
inline void ask_for_known_topics(rd_kafka_t* client, int limit_ms) noexcept {
    const rd_kafka_metadata_t* found = nullptr;
    if (rd_kafka_metadata(client, 0, nullptr, &found, limit_ms) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(found);
    }
}

struct new_topic {
    const std::string* name;
    int partitions;
};

/// Asks by a client of its own, whose settings allow that topics are made: clusters that make none
/// on request, as librdkafka's mock, may make them then. Blocks.
inline void make_topics_by_asking(conf_ptr allowing, std::span<const new_topic> topics,
                                  int limit_ms) {
    std::vector<topic_ptr> handles;
    handles.reserve(topics.size());
    rd_kafka_conf_set(allowing.get(), "log_level", "0", nullptr, 0);
    rd_kafka_t* const asking = rd_kafka_new(RD_KAFKA_PRODUCER, allowing.get(), nullptr, 0);
    if (asking == nullptr) {
        return;
    }
    // The client's now. NOLINTNEXTLINE(bugprone-unused-return-value)
    (void)allowing.release();
    for (const new_topic& each : topics) {
        handles.emplace_back(rd_kafka_topic_new(asking, each.name->c_str(), nullptr));
    }
    ask_for_known_topics(asking, limit_ms);
    handles.clear(); // before their client
    rd_kafka_destroy(asking);
}

/// Requests topics; the answer comes to the queue. False: the cluster was not asked.
inline auto request_topics(rd_kafka_t* client, std::span<const new_topic> topics, int limit_ms,
                           rd_kafka_queue_t* answers) -> bool {
    std::array<char, 512> reason{};
    constexpr int by_broker = -1; // replicas: the cluster's default
    std::vector<new_topic_ptr> made;
    std::vector<rd_kafka_NewTopic_t*> all;
    for (const new_topic& each : topics) {
        made.emplace_back(rd_kafka_NewTopic_new(each.name->c_str(), each.partitions, by_broker,
                                                reason.data(), reason.size()));
        if (made.back()) {
            all.push_back(made.back().get());
        }
    }
    if (all.empty()) {
        return false;
    }
    const admin_options_ptr how = admin_options(client, RD_KAFKA_ADMIN_OP_CREATETOPICS, limit_ms);
    rd_kafka_CreateTopics(client, all.data(), all.size(), how.get(), answers);
    return true;
}

/// What became of each topic.
[[nodiscard]] inline auto results_of(const rd_kafka_CreateTopics_result_t& answer) noexcept
    -> std::span<const rd_kafka_topic_result_t*> {
    std::size_t count = 0;
    const rd_kafka_topic_result_t** all = rd_kafka_CreateTopics_result_topics(&answer, &count);
    return {all, count};
}

} // namespace cobus::detail::kafka
