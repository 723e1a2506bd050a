#pragma once

#include "cluster_watch.hpp"
#include "error.hpp"
#include "report.hpp"

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <set>
#include <string>
#include <utility>

namespace cobus::detail::kafka {

/// One line in the log for each topic that refuses what is published, and for each reason. One
/// thread at a time.
class refusals {
public:
    /// As `read_report`, and tells of a refusal.
    auto read(rd_kafka_t* client, const rd_kafka_message_t& report, cluster_watch& watch) noexcept
        -> publish_node& {
        publish_node& node = read_report(client, report);
        if (node.ec == errc::not_authorized || node.ec == errc::no_topic ||
            node.ec == errc::too_large) {
            say(report, watch);
        }
        return node;
    }
    static void tell_end(rd_kafka_resp_err_t cause, std::string text, cluster_watch& watch) noexcept
        try {
        text = with_cure(std::move(text), cause);
        if (!forbids_publishing(cause)) {
            watch.fatal(cause, text);
            return;
        }
        watch.log(log_level::warning, "publishing will be refused: " + text);
    } catch (...) { // no memory for a line
    }

private:
    void say(const rd_kafka_message_t& report, cluster_watch& watch) noexcept try {
        const std::string topic =
            report.rkt != nullptr ? rd_kafka_topic_name(report.rkt) : std::string();
        if (said_.size() == most || !said_.emplace(topic, report.err).second) {
            return;
        }
        std::string text = "publishing to topic " + topic + " is refused: ";
        text.append(rd_kafka_err2str(report.err));
        watch.log(log_level::error, with_cure(std::move(text), report.err));
    } catch (...) { // no memory for a line
    }

    static constexpr std::size_t most = 1000;

    std::set<std::pair<std::string, rd_kafka_resp_err_t>> said_;
};

} // namespace cobus::detail::kafka
