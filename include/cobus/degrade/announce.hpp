#pragma once

#include "../contract.hpp"
#include "../log.hpp"
#include "../state.hpp"
#include "../transport/options.hpp"

#include <chrono>
#include <cstdint>
#include <string>

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

[[nodiscard]] inline auto what_becomes_of_events(const transport_options& options) -> std::string {
    switch (options.when_away) {
    case policy::deliver:
        return "events are delivered in process until it answers";
    case policy::wait:
        return "publishers wait for it, " + seconds(options.wait_limit) + " at most";
    case policy::fail:
        return "publishing fails until it answers";
    }
    return {};
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
    switch (after.what) {
    case state::connected:
        if (before.what != state::degraded) {
            return {log_level::info, "connected to Kafka" + brokers};
        }
        return {log_level::info,
                "Kafka" + brokers + " answers again after " +
                    seconds(std::chrono::duration_cast<std::chrono::milliseconds>(after.since -
                                                                                  before.since)) +
                    "; " + std::to_string(stayed) +
                    (stayed == 1 ? " event stayed in process" : " events stayed in process")};
    case state::degraded:
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
