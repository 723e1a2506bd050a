#pragma once

#include "commands.hpp"
#include "group.hpp"

#include <cobus/settings.hpp>

#include <stdexcept>

namespace offsets {

/// The group asked for, with the settings of every service from the environment.
[[nodiscard]] inline auto group_from_environment(const request& wanted) -> group {
    const cobus::settings how = cobus::settings::from_environment();
    if (!how.kafka_enabled()) {
        throw std::runtime_error("groups are in Kafka: set KAFKA_ENABLED=true and KAFKA_BROKERS");
    }
    return {how, wanted.group.empty() ? how.group_id() : wanted.group};
}

} // namespace offsets
