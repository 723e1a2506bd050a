#pragma once

#include <librdkafka/rdkafka.h>

#include <array>
#include <memory>
#include <string_view>

namespace cobus::detail::kafka {

/// Ends a C handle by its own function.
template <auto Destroy>
struct deleter {
    template <class Handle>
    void operator()(Handle* handle) const noexcept {
        Destroy(handle);
    }
};

using conf_ptr = std::unique_ptr<rd_kafka_conf_t, deleter<&rd_kafka_conf_destroy>>;
using topic_ptr = std::unique_ptr<rd_kafka_topic_t, deleter<&rd_kafka_topic_destroy>>;
using queue_ptr = std::unique_ptr<rd_kafka_queue_t, deleter<&rd_kafka_queue_destroy>>;
using event_ptr = std::unique_ptr<rd_kafka_event_t, deleter<&rd_kafka_event_destroy>>;
using native_ptr = std::unique_ptr<rd_kafka_message_t, deleter<&rd_kafka_message_destroy>>;
using headers_ptr = std::unique_ptr<rd_kafka_headers_t, deleter<&rd_kafka_headers_destroy>>;
using error_ptr = std::unique_ptr<rd_kafka_error_t, deleter<&rd_kafka_error_destroy>>;
using partition_list_ptr = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                           deleter<&rd_kafka_topic_partition_list_destroy>>;
using new_topic_ptr = std::unique_ptr<rd_kafka_NewTopic_t, deleter<&rd_kafka_NewTopic_destroy>>;
using config_resource_ptr =
    std::unique_ptr<rd_kafka_ConfigResource_t, deleter<&rd_kafka_ConfigResource_destroy>>;
using admin_options_ptr =
    std::unique_ptr<rd_kafka_AdminOptions_t, deleter<&rd_kafka_AdminOptions_destroy>>;

/// Of a request that is answered, or given up, within that time. Null: out of memory.
[[nodiscard]] inline auto admin_options(rd_kafka_t* client, rd_kafka_admin_op_t request,
                                        int limit_ms) noexcept -> admin_options_ptr {
    admin_options_ptr made(rd_kafka_AdminOptions_new(client, request));
    std::array<char, 512> reason{};
    if (made) {
        rd_kafka_AdminOptions_set_request_timeout(made.get(), limit_ms, reason.data(),
                                                  reason.size());
    }
    return made;
}

/// Whether a consumer's group rebalances step by step. False, too, when it is no member any more.
[[nodiscard]] inline auto is_cooperative(rd_kafka_t* consumer) noexcept -> bool {
    const char* const protocol = rd_kafka_rebalance_protocol(consumer);
    return protocol != nullptr && std::string_view(protocol) == "COOPERATIVE";
}

} // namespace cobus::detail::kafka
