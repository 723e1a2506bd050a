#pragma once

#include "log.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace cobus::testing::detail {

/// "+7200.000 s".
[[nodiscard]] inline auto moment(const kit_log& log, time_point when) -> std::string {
    const auto millis = log.since_start(when).count();
    char text[40];
    std::snprintf(text, sizeof text, "+%lld.%03lld s", static_cast<long long>(millis / 1000),
                  static_cast<long long>(millis % 1000));
    return text;
}

[[nodiscard]] inline auto said(const handler_run& run) -> std::string {
    constexpr std::string_view ends[] = {"done", "skipped", "failed", "gave up", "was cancelled"};
    std::string text = "try " + std::to_string(run.attempt) + " ";
    text += ends[static_cast<std::size_t>(run.how)];
    return run.reason.empty() ? text : text + ": " + run.reason;
}

[[nodiscard]] inline auto said(const published_record& item) -> std::string {
    using state = published_record::state;
    std::string text(item.content->type());
    if (item.content->key()) {
        text.append(" of key '").append(*item.content->key()).append("'");
    }
    switch (item.now) {
    case state::sent:
        text.append(" published to ").append(item.where.topic());
        if (item.where.partition() >= 0) {
            text += "/" + std::to_string(item.where.partition()) + "/" +
                    std::to_string(item.where.offset());
        }
        return text;
    case state::failed:
        return text + " not published: " + item.ec.message();
    case state::withdrawn:
        return text + " withdrawn before it was sent";
    case state::under_way:
        break;
    }
    return text.append(" on its way to ").append(item.content->topic());
}

/// All that happened, a line each, in order: for the message of a test that fails.
[[nodiscard]] inline auto story(const kit_log& log) -> std::string {
    std::vector<std::pair<std::uint64_t, std::string>> lines;
    for (const published_record& each : log.published()) {
        if (each.content != nullptr) {
            lines.emplace_back(each.order, moment(log, each.at) + "  " + said(each));
        }
    }
    for (const handling_record& each : log.handlings()) {
        for (std::size_t i = 0; i < each.runs.size(); ++i) {
            lines.emplace_back(each.orders[i], moment(log, each.runs[i].at) + "  " + each.handler +
                                                   ": " + said(each.runs[i]) + " (" + each.what +
                                                   ")");
        }
    }
    std::sort(lines.begin(), lines.end());
    std::string text;
    for (const auto& [order, line] : lines) {
        text.append(line).append("\n");
    }
    return text;
}

/// What has not come to its end, in words.
[[nodiscard]] inline auto unfinished(const kit_log& log) -> std::string {
    std::string text;
    for (const arrival& each : log.arrivals()) {
        text.append("  unfinished since ").append(moment(log, each.at)).append(": ");
        text.append(each.what).append("\n");
    }
    for (const published_record& each : log.published()) {
        if (each.now == published_record::state::under_way) {
            text.append("  ").append(said(each)).append(" since ").append(moment(log, each.at));
            text.append("\n");
        }
    }
    return text;
}

} // namespace cobus::testing::detail
