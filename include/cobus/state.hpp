#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <system_error>

namespace cobus {

/// Where a bus stands: the worst of its routes.
enum class state : unsigned char {
    memory,     ///< Kafka is not enabled: events are delivered in process
    connecting, ///< Kafka was not heard of yet, and the decision time has not passed
    connected,  ///< Kafka answers
    degraded,   ///< Kafka is away: each event's policy decides what becomes of it
    failed,     ///< Kafka is required and away at the start, or refused for good
};

[[nodiscard]] constexpr auto to_string(state value) noexcept -> std::string_view {
    switch (value) {
    case state::memory:
        return "memory";
    case state::connecting:
        return "connecting";
    case state::connected:
        return "connected";
    case state::degraded:
        return "degraded";
    case state::failed:
        return "failed";
    }
    return "?";
}

/// A state with its beginning and its reason.
struct health {
    state what = state::connecting;
    std::chrono::steady_clock::time_point since;
    std::error_code cause;
    std::string why; ///< the cause in words, without secrets; empty when all is well
};

} // namespace cobus
