#pragma once

#include "../contract.hpp"
#include "../log.hpp"
#include "../state.hpp"
#include "../transport/options.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cobus::degrade {

/// A log line.
struct announcement {
    log_level level = log_level::info;
    std::string text;
};

/// "1.5 s" for 1500 ms.
[[nodiscard]] inline auto seconds(std::chrono::milliseconds time) -> std::string {
    const auto tenths = time.count() / 100;
    std::string text = std::to_string(tenths / 10);
    if (tenths % 10 != 0) {
        text.append(".").append(std::to_string(tenths % 10));
    }
    return text + " s";
}

[[nodiscard]] inline auto events(std::uint64_t count) -> std::string {
    return std::to_string(count) + (count == 1 ? " event" : " events");
}

[[nodiscard]] inline auto what_becomes_of_events(const transport_options& options) -> std::string {
    switch (options.when_away) {
    case policy::deliver_and_spool:
        return "events are kept for it, and handled in process where that keeps their order";
    case policy::spool:
        return "events are kept for it";
    case policy::deliver:
        return "events are delivered in process until it answers";
    case policy::wait:
        return "publishers wait for it, " + seconds(options.wait_limit) + " at most";
    case policy::fail:
        return "publishing fails until it answers";
    }
    return {};
}

/// "orders/0, orders/2 and 3 more"
[[nodiscard]] inline auto names_of(const std::vector<closed_route>& routes) -> std::string {
    constexpr std::size_t most = 5;
    std::string names;
    for (std::size_t i = 0; i < routes.size() && i < most; ++i) {
        names.append(i == 0 ? "" : ", ").append(routes[i].topic);
        if (routes[i].partition >= 0) {
            names.append("/").append(std::to_string(routes[i].partition));
        }
    }
    return routes.size() <= most ? names
                                 : names + " and " + std::to_string(routes.size() - most) + " more";
}

/// The one line that a change of state is worth. `stayed` counts the events that were delivered in
/// process, and so never reached Kafka, in the state that ends.
[[nodiscard]] inline auto announce(const health& before, const health& after,
                                   const transport_options& options, std::uint64_t stayed)
    -> announcement {
    std::string brokers;
    for (const std::string& each : options.brokers) {
        brokers.append(brokers.empty() ? " at " : ",").append(each);
    }
    const auto lasted =
        seconds(std::chrono::duration_cast<std::chrono::milliseconds>(after.since - before.since));
    switch (after.what) {
    case state::connected:
        if (before.what == state::recovering) {
            return {log_level::info,
                    "Kafka" + brokers + " has all that was kept for it, after " + lasted};
        }
        if (before.what != state::degraded) {
            return {log_level::info, "connected to Kafka" + brokers};
        }
        return {log_level::info, "Kafka" + brokers + " answers again after " + lasted +
                                     (stayed > 0 || options.when_away == policy::deliver
                                          ? "; " + events(stayed) + " stayed in process"
                                          : std::string())};
    case state::recovering:
        return {log_level::info,
                (before.what == state::degraded
                     ? "Kafka" + brokers + " answers again after " + lasted
                     : "connected to Kafka" + brokers) +
                    (stayed > 0 ? "; " + events(stayed) + " stayed in process" : std::string()) +
                    "; it gets " + events(after.kept.messages) + " that were kept for it"};
    case state::degraded:
        if (!after.routes.empty()) {
            return {log_level::warning, "of Kafka" + brokers + ", a part is away (" +
                                            names_of(after.routes) + ": " + after.why +
                                            "): " + what_becomes_of_events(options)};
        }
        return {log_level::warning, "Kafka" + brokers + " is away (" + after.why +
                                        "): " + what_becomes_of_events(options)};
    case state::failed:
        return {log_level::error,
                "Kafka" + brokers + " cannot be used (" + after.why + "): publishing fails"};
    case state::memory:
    case state::connecting:
        break;
    }
    return {log_level::info, std::string(to_string(after.what))};
}

} // namespace cobus::degrade
