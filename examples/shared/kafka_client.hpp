#pragma once

#include <cobus/headers.hpp>
#include <cobus/settings.hpp>

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

/// What the tools that look into Kafka share: librdkafka by itself, blocking, since a bus has no
/// reason to read a part of a topic. All throw `std::runtime_error` when Kafka does not answer
/// within 30 s.
namespace tools {

inline constexpr int patience_ms = 30'000;

/// Throws what failed and why.
void check(rd_kafka_resp_err_t failed, const std::string& what);

struct destroy_client {
    void operator()(rd_kafka_t* client) const noexcept { rd_kafka_destroy(client); }
};
using client_ptr = std::unique_ptr<rd_kafka_t, destroy_client>;

/// A consumer of that group which never joins it and commits nothing by itself.
[[nodiscard]] auto open_client(const cobus::settings& how, const std::string& group) -> client_ptr;

struct destroy_list {
    void operator()(rd_kafka_topic_partition_list_t* list) const noexcept {
        rd_kafka_topic_partition_list_destroy(list);
    }
};
using list_ptr = std::unique_ptr<rd_kafka_topic_partition_list_t, destroy_list>;

/// Empty, with room for so many.
[[nodiscard]] inline auto new_list(std::size_t size) -> list_ptr {
    return list_ptr(rd_kafka_topic_partition_list_new(static_cast<int>(size)));
}

struct destroy_metadata {
    void operator()(const rd_kafka_metadata_t* all) const noexcept {
        rd_kafka_metadata_destroy(all);
    }
};
using metadata_ptr = std::unique_ptr<const rd_kafka_metadata_t, destroy_metadata>;

/// All topics.
[[nodiscard]] auto metadata(rd_kafka_t* client) -> metadata_ptr;

/// A part of a partition.
struct stretch {
    std::int32_t partition = 0;
    std::int64_t next = 0, end = 0;
};

/// From the first message to what is the end now.
[[nodiscard]] auto whole(rd_kafka_t* client, const std::string& topic, std::int32_t partition)
    -> stretch;
/// That of each partition of a topic; empty when there is no such topic.
[[nodiscard]] auto whole(rd_kafka_t* client, const std::string& topic) -> std::vector<stretch>;
/// Calls `take` with each message of these, in order within a partition.
void read(rd_kafka_t* client, const std::string& topic, std::vector<stretch> all,
          const std::function<void(const rd_kafka_message_t&)>& take);

[[nodiscard]] auto headers_of(const rd_kafka_message_t& from) -> cobus::headers;

} // namespace tools
