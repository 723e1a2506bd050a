#pragma once

#include "../transport.hpp"
#include "cluster_watch.hpp"
#include "error.hpp"

#include <librdkafka/rdkafka.h>

#include <array>
#include <chrono>

namespace cobus::detail::kafka {

/// Writes what a delivery report says into the node that it belongs to.
inline auto read_report(const rd_kafka_message_t& report) noexcept -> publish_node& {
    auto& node = *static_cast<publish_node*>(report._private);
    node.ec = report_error(report);
    if (!node.ec) {
        node.where.position(report.partition, report.offset);
        node.where.timestamp(
            time_point(std::chrono::milliseconds(rd_kafka_message_timestamp(&report, nullptr))));
        node.where.way(path::kafka, true);
    }
    return node;
}

/// Tells the watch of an error event of the producer.
inline void read_error(rd_kafka_t* client, rd_kafka_event_t* event, cluster_watch& watch) noexcept {
    const rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (rd_kafka_fatal_error(client, nullptr, 0) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        watch.error(code, rd_kafka_event_error_string(event));
        return;
    }
    std::array<char, 512> reason{};
    const rd_kafka_resp_err_t cause = rd_kafka_fatal_error(client, reason.data(), reason.size());
    watch.fatal(cause, reason.data());
}

} // namespace cobus::detail::kafka
