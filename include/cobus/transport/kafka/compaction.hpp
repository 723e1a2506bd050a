#pragma once

#include "cluster_watch.hpp"
#include "handle.hpp"

#include <librdkafka/rdkafka.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace cobus::detail::kafka {

/// Asks whether a topic is compacted; the answer comes to the queue. Who may not know gets none.
inline void ask_for_compaction(rd_kafka_t* client, const char* topic, int limit_ms,
                               rd_kafka_queue_t* answers) {
    const config_resource_ptr about(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic));
    const admin_options_ptr how =
        admin_options(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, limit_ms);
    if (!about || !how) {
        return;
    }
    std::array<rd_kafka_ConfigResource_t*, 1> all{about.get()};
    rd_kafka_DescribeConfigs(client, all.data(), all.size(), how.get(), answers);
}

[[nodiscard]] inline auto is_compacted(const rd_kafka_ConfigResource_t* topic) -> bool {
    std::size_t count = 0;
    const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(topic, &count);
    for (const rd_kafka_ConfigEntry_t* each : std::span(entries, count)) {
        const char* const value = rd_kafka_ConfigEntry_value(each);
        if (std::string_view(rd_kafka_ConfigEntry_name(each)) == "cleanup.policy") {
            return value != nullptr &&
                   std::string_view(value).find("compact") != std::string_view::npos;
        }
    }
    return false;
}

/// An answer to that: what cobus promises is less there.
inline void warn_of_compaction(rd_kafka_event_t* event, cluster_watch& watch) {
    const auto* result = rd_kafka_event_DescribeConfigs_result(event);
    if (result == nullptr || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    std::size_t count = 0;
    const rd_kafka_ConfigResource_t** topics =
        rd_kafka_DescribeConfigs_result_resources(result, &count);
    for (const rd_kafka_ConfigResource_t* each : std::span(topics, count)) {
        if (rd_kafka_ConfigResource_error(each) == RD_KAFKA_RESP_ERR_NO_ERROR &&
            is_compacted(each)) {
            watch.log(log_level::warning,
                      "topic " + std::string(rd_kafka_ConfigResource_name(each)) +
                          " is compacted: after an outage or a crash a late copy of an older event "
                          "may be the last one of its key there, and only that is kept; set a "
                          "transactional id, or have readers compare the events' times");
        }
    }
}

} // namespace cobus::detail::kafka
