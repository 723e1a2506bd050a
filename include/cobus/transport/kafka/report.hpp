#pragma once

#include "../../detail/fetch_ahead.hpp"
#include "../transport.hpp"
#include "cluster_watch.hpp"
#include "error.hpp"
#include "handle.hpp"

#include <librdkafka/rdkafka.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <utility>

namespace cobus::detail::kafka {

/// Writes what a delivery report says into the node that it belongs to.
inline auto read_report(rd_kafka_t* client, const rd_kafka_message_t& report) noexcept
    -> publish_node& {
    auto& node = *static_cast<publish_node*>(report._private);
    node.ec = report_error(report);
    if (const rd_kafka_resp_err_t cause = cause_of(client, report.err); cause != report.err) {
        node.ec = publish_error(cause);
    }
    if (!node.ec) {
        node.where.position(report.partition, report.offset);
        node.where.timestamp(
            time_point(std::chrono::milliseconds(rd_kafka_message_timestamp(&report, nullptr))));
        node.where.way(path::kafka, true);
    }
    return node;
}

/// An event with delivery reports, of which a run reads some: thousands come in one, and read at
/// once they would be out of the cache before their publishers hear of them.
class unread_reports {
public:
    [[nodiscard]] auto none() const noexcept -> bool { return event_ == nullptr; }
    void open(event_ptr event) noexcept { event_ = std::move(event); }
    /// `visit(report)` for the next ones, a few of them fetched at a time.
    template <class Visit> void read(Visit visit) {
        for (std::size_t done = 0; done < most_of_a_run && !none(); done += most) {
            read_some(visit);
        }
    }

private:
    static constexpr std::size_t most_of_a_run = 64;
    static constexpr std::size_t most = 16;

    template <class Visit> void read_some(Visit visit) {
        constexpr std::size_t with_its_owners = sizeof(publish_node) + 64; // what it is the base of
        std::array<const rd_kafka_message_t*, most> some;                  // NOLINT: filled below
        std::size_t count = 0;
        while (count < most) {
            const rd_kafka_message_t* next = rd_kafka_event_message_next(event_.get());
            if (next == nullptr) {
                break;
            }
            fetch_ahead(next->_private, with_its_owners);
            some[count++] = next;
        }
        for (std::size_t i = 0; i < count; ++i) {
            const auto* node = static_cast<const publish_node*>(some[i]->_private);
            fetch_ahead(node->content.get(), sizeof(message));
            if (node->beside != nullptr) {
                fetch_ahead(node->beside, with_its_owners);
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            const auto* node = static_cast<const publish_node*>(some[i]->_private);
            if (node->content != nullptr) {
                fetch_ahead(node->content->held(), 1);
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            visit(*some[i]);
        }
        if (count < most) {
            event_.reset();
        }
    }

    event_ptr event_;
};

/// Tells the watch of an error event of the producer, but not of the end of the client.
inline void read_error(rd_kafka_t* client, rd_kafka_event_t* event, cluster_watch& watch) noexcept {
    if (rd_kafka_fatal_error(client, nullptr, 0) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        watch.error(rd_kafka_event_error(event), rd_kafka_event_error_string(event));
    }
}

} // namespace cobus::detail::kafka
