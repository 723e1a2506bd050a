#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// librdkafka by itself, blocking: the other side of what cobus writes and reads in tests.
namespace cobus::test {

struct plain_message {
    std::string payload;
    std::optional<std::string> key;
    std::vector<std::pair<std::string, std::string>> headers;
    std::int32_t partition = RD_KAFKA_PARTITION_UA;
    std::int64_t offset = -1;
    std::int64_t timestamp = 0; ///< milliseconds; 0 when writing is now
};

using plain_properties = std::map<std::string, std::string>;

/// An rd_kafka_t that reconnects fast and logs nothing.
class plain_client {
public:
    plain_client(rd_kafka_type_t type, const std::string& brokers, plain_properties properties = {},
                 void (*report)(rd_kafka_t*, const rd_kafka_message_t*, void*) = nullptr,
                 void* opaque = nullptr) {
        properties.try_emplace("bootstrap.servers", brokers);
        properties.try_emplace("log_level", "0");
        properties.try_emplace("reconnect.backoff.ms", "50");
        properties.try_emplace("reconnect.backoff.max.ms", "200");
        rd_kafka_conf_t* conf = rd_kafka_conf_new();
        char reason[256] = "";
        bool valid = true;
        for (const auto& [name, value] : properties)
            valid = valid && rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason,
                                               sizeof reason) == RD_KAFKA_CONF_OK;
        if (report != nullptr)
            rd_kafka_conf_set_dr_msg_cb(conf, report);
        rd_kafka_conf_set_opaque(conf, opaque);
        if (valid)
            handle_ = rd_kafka_new(type, conf, reason, sizeof reason);
        if (handle_ == nullptr) {
            rd_kafka_conf_destroy(conf);
            throw std::runtime_error(reason);
        }
    }
    plain_client(const plain_client&) = delete;
    auto operator=(const plain_client&) -> plain_client& = delete;
    ~plain_client() { rd_kafka_destroy(handle_); }

    [[nodiscard]] auto native() const -> rd_kafka_t* { return handle_; }

private:
    rd_kafka_t* handle_ = nullptr;
};

inline void plain_check(rd_kafka_resp_err_t error, const char* what) {
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw std::runtime_error(std::string(what) + ": " + rd_kafka_err2str(error));
}

/// The same for what calls of transactions return.
inline void plain_check(rd_kafka_error_t* error, const char* what) {
    if (error != nullptr) {
        const std::string text = std::string(what) + ": " + rd_kafka_error_string(error);
        rd_kafka_error_destroy(error);
        throw std::runtime_error(text);
    }
}

namespace plain_detail {

inline void enqueue(rd_kafka_t* client, const std::string& topic, const plain_message& message) {
    rd_kafka_headers_t* headers = rd_kafka_headers_new(message.headers.size());
    for (const auto& [header, value] : message.headers)
        rd_kafka_header_add(headers, header.c_str(), -1, value.data(),
                            static_cast<ssize_t>(value.size()));
    // by the types instead of the RD_KAFKA_V_ macros, which cast in C's way
    const char* name = topic.c_str();
    const void* key = message.key ? message.key->data() : nullptr;
    const std::size_t key_size = message.key ? message.key->size() : 0;
    const auto error =
        rd_kafka_producev(client, RD_KAFKA_VTYPE_TOPIC, name, RD_KAFKA_VTYPE_PARTITION,
                          message.partition, RD_KAFKA_VTYPE_TIMESTAMP, message.timestamp,
                          RD_KAFKA_VTYPE_KEY, key, key_size, RD_KAFKA_VTYPE_VALUE,
                          message.payload.data(), message.payload.size(), RD_KAFKA_VTYPE_MSGFLAGS,
                          RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_HEADERS, headers, RD_KAFKA_VTYPE_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_headers_destroy(headers);
    plain_check(error, "produce");
}

[[nodiscard]] inline auto text(const void* bytes, std::size_t size) -> std::string {
    return size == 0 ? std::string() : std::string(static_cast<const char*>(bytes), size);
}

[[nodiscard]] inline auto convert(const rd_kafka_message_t& from) -> plain_message {
    plain_message message;
    message.payload = text(from.payload, from.len);
    if (from.key != nullptr)
        message.key = text(from.key, from.key_len);
    message.partition = from.partition;
    message.offset = from.offset;
    message.timestamp = rd_kafka_message_timestamp(&from, nullptr);
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&from, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return message;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i)
        message.headers.emplace_back(name, text(value, size));
    return message;
}

/// Requests something of the cluster with `request(client, queue)` and reads the result from the
/// answer; throws when there is none, or it is a failure. librdkafka 2.12 may never send a new
/// client's request, so another client repeats it, which may find it `done` already.
template <class Request, class Result>
void ask(const std::string& brokers, const char* what, Request request, Result result,
         rd_kafka_resp_err_t done = RD_KAFKA_RESP_ERR_NO_ERROR) {
    constexpr int limit = 10'000;
    for (int tries = 1;; ++tries) {
        const plain_client client(RD_KAFKA_PRODUCER, brokers);
        const std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> queue(
            rd_kafka_queue_new(client.native()), rd_kafka_queue_destroy);
        request(client.native(), queue.get());
        const std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> answer(
            rd_kafka_queue_poll(queue.get(), limit), rd_kafka_event_destroy);
        if (!answer && tries < 6)
            continue;
        plain_check(answer ? rd_kafka_event_error(answer.get()) : RD_KAFKA_RESP_ERR__TIMED_OUT,
                    what);
        if (const rd_kafka_resp_err_t code = result(answer.get()); tries == 1 || code != done)
            plain_check(code, what);
        return;
    }
}

} // namespace plain_detail

/// Writes all and returns when Kafka has acknowledged each; throws when it does not.
inline void plain_produce(const std::string& brokers, const std::string& topic,
                          const std::vector<plain_message>& messages,
                          plain_properties properties = {}) {
    rd_kafka_resp_err_t failure = RD_KAFKA_RESP_ERR_NO_ERROR;
    properties.try_emplace("message.timeout.ms", "30000");
    const plain_client client(
        RD_KAFKA_PRODUCER, brokers, std::move(properties),
        [](rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
            if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
                *static_cast<rd_kafka_resp_err_t*>(opaque) = message->err;
        },
        &failure);
    for (const plain_message& message : messages)
        plain_detail::enqueue(client.native(), topic, message);
    plain_check(rd_kafka_flush(client.native(), 60'000), "flush");
    plain_check(failure, "delivery");
}

/// Creates the topic and returns when the broker has it; the mock cluster has no such request.
inline void plain_create_topic(const std::string& brokers, const std::string& topic, int partitions,
                               int replicas = 1, const plain_properties& properties = {}) {
    const auto request = [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
        rd_kafka_NewTopic_t* wanted =
            rd_kafka_NewTopic_new(topic.c_str(), partitions, replicas, nullptr, 0);
        for (const auto& [name, value] : properties)
            rd_kafka_NewTopic_set_config(wanted, name.c_str(), value.c_str());
        rd_kafka_CreateTopics(client, &wanted, 1, nullptr, queue);
        rd_kafka_NewTopic_destroy(wanted);
    };
    const auto result = [](rd_kafka_event_t* answer) {
        std::size_t count = 0;
        const rd_kafka_topic_result_t** results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer), &count);
        return rd_kafka_topic_result_error(results[0]);
    };
    plain_detail::ask(brokers, "topic", request, result, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS);
}

/// Gives a topic that is there these properties, and all others their defaults.
inline void plain_configure_topic(const std::string& brokers, const std::string& topic,
                                  const plain_properties& properties) {
    const auto request = [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
        rd_kafka_ConfigResource_t* wanted =
            rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
        for (const auto& [name, value] : properties)
            rd_kafka_ConfigResource_set_config(wanted, name.c_str(), value.c_str());
        rd_kafka_AlterConfigs(client, &wanted, 1, nullptr, queue);
        rd_kafka_ConfigResource_destroy(wanted);
    };
    const auto result = [](rd_kafka_event_t* answer) {
        std::size_t count = 0;
        const rd_kafka_ConfigResource_t** const results = rd_kafka_AlterConfigs_result_resources(
            rd_kafka_event_AlterConfigs_result(answer), &count);
        return rd_kafka_ConfigResource_error(results[0]);
    };
    plain_detail::ask(brokers, "configuration", request, result);
}

/// Gives the topic more partitions.
inline void plain_add_partitions(const std::string& brokers, const std::string& topic, int total) {
    const auto request = [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
        char reason[256] = "";
        rd_kafka_NewPartitions_t* wanted = rd_kafka_NewPartitions_new(
            topic.c_str(), static_cast<std::size_t>(total), reason, sizeof reason);
        rd_kafka_CreatePartitions(client, &wanted, 1, nullptr, queue);
        rd_kafka_NewPartitions_destroy(wanted);
    };
    const auto result = [](rd_kafka_event_t* answer) {
        std::size_t count = 0;
        const rd_kafka_topic_result_t** results = rd_kafka_CreatePartitions_result_topics(
            rd_kafka_event_CreatePartitions_result(answer), &count);
        return rd_kafka_topic_result_error(results[0]);
    };
    plain_detail::ask(brokers, "partitions", request, result, RD_KAFKA_RESP_ERR_INVALID_PARTITIONS);
}

/// Leaves offsets in the first partition that belong to no message: those of an aborted
/// transaction, and its end.
inline void plain_leave_gap(const std::string& brokers, const std::string& topic) {
    constexpr int limit = 30'000;
    const plain_client client(RD_KAFKA_PRODUCER, brokers, {{"transactional.id", "gap-" + topic}});
    plain_check(rd_kafka_init_transactions(client.native(), limit), "transaction");
    plain_check(rd_kafka_begin_transaction(client.native()), "transaction");
    plain_message aborted;
    aborted.payload = "aborted";
    aborted.partition = 0;
    plain_detail::enqueue(client.native(), topic, aborted);
    plain_check(rd_kafka_flush(client.native(), limit), "flush");
    plain_check(rd_kafka_abort_transaction(client.native(), limit), "transaction");
}

/// How many messages the topic has; those of a transaction, open or not, and its end count too.
[[nodiscard]] inline auto plain_count(const std::string& brokers, const std::string& topic)
    -> std::size_t {
    constexpr int limit = 30'000;
    const plain_client client(RD_KAFKA_CONSUMER, brokers,
                              {{"isolation.level", "read_uncommitted"}});
    const std::unique_ptr<rd_kafka_topic_t, decltype(&rd_kafka_topic_destroy)> handle(
        rd_kafka_topic_new(client.native(), topic.c_str(), nullptr), rd_kafka_topic_destroy);
    const rd_kafka_metadata_t* metadata = nullptr;
    plain_check(rd_kafka_metadata(client.native(), 0, handle.get(), &metadata, limit), "metadata");
    const int partitions = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    std::int64_t all = 0;
    for (int i = 0; i < partitions; ++i) {
        std::int64_t begin = 0;
        std::int64_t end = 0;
        plain_check(rd_kafka_query_watermark_offsets(client.native(), topic.c_str(), i, &begin,
                                                     &end, limit),
                    "watermarks");
        all += end - begin;
    }
    return static_cast<std::size_t>(all);
}

struct plain_position {
    std::int64_t offset = -1;
    std::string metadata;
};

/// What a group has committed in a partition.
[[nodiscard]] inline auto plain_committed(const std::string& brokers, const std::string& group,
                                          const std::string& topic, int partition = 0)
    -> plain_position {
    const plain_client client(RD_KAFKA_CONSUMER, brokers, {{"group.id", group}});
    const std::unique_ptr<rd_kafka_topic_partition_list_t,
                          decltype(&rd_kafka_topic_partition_list_destroy)>
        list(rd_kafka_topic_partition_list_new(1), rd_kafka_topic_partition_list_destroy);
    const auto* const only =
        rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
    plain_check(rd_kafka_committed(client.native(), list.get(), 30'000), "committed");
    return {only->offset,
            std::string(static_cast<const char*>(only->metadata), only->metadata_size)};
}

/// Reads the topic from its beginning, without a group, until it has `count` messages or the time
/// is over. Ordered within a partition.
[[nodiscard]] inline auto plain_consume(const std::string& brokers, const std::string& topic,
                                        std::size_t count,
                                        std::chrono::milliseconds limit = std::chrono::seconds{30})
    -> std::vector<plain_message> {
    const plain_client client(
        RD_KAFKA_CONSUMER, brokers,
        {{"group.id", "plain"}, {"fetch.wait.max.ms", "10"}, {"enable.auto.commit", "false"}});
    const std::unique_ptr<rd_kafka_topic_t, decltype(&rd_kafka_topic_destroy)> handle(
        rd_kafka_topic_new(client.native(), topic.c_str(), nullptr), rd_kafka_topic_destroy);
    const rd_kafka_metadata_t* metadata = nullptr;
    plain_check(rd_kafka_metadata(client.native(), 0, handle.get(), &metadata,
                                  static_cast<int>(limit.count())),
                "metadata");
    rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(1);
    for (int i = 0; i < metadata->topics[0].partition_cnt; ++i)
        rd_kafka_topic_partition_list_add(all, topic.c_str(), metadata->topics[0].partitions[i].id)
            ->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_metadata_destroy(metadata);
    const auto assigned = rd_kafka_assign(client.native(), all);
    rd_kafka_topic_partition_list_destroy(all);
    plain_check(assigned, "assign");

    std::vector<plain_message> messages;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (messages.size() < count && std::chrono::steady_clock::now() < deadline) {
        const std::unique_ptr<rd_kafka_message_t, decltype(&rd_kafka_message_destroy)> message(
            rd_kafka_consumer_poll(client.native(), 100), rd_kafka_message_destroy);
        if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            messages.push_back(plain_detail::convert(*message));
    }
    rd_kafka_consumer_close(client.native());
    return messages;
}

} // namespace cobus::test
