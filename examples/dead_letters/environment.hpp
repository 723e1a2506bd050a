#pragma once

#include "commands.hpp"
#include "reader.hpp"

#include <cobus/settings.hpp>

#include <stdexcept>
#include <string>
#include <vector>

namespace dead_letters {

/// The bus's settings. Messages go out as they are, so in plain mode.
[[nodiscard]] inline auto settings_from_environment() -> cobus::settings {
    cobus::settings how = cobus::settings::from_environment();
    if (!how.kafka_enabled()) {
        throw std::runtime_error("dead letters lie in Kafka: set KAFKA_ENABLED=true and "
                                 "KAFKA_BROKERS");
    }
    how.wire(cobus::wire::plain()).when_away(cobus::policy::fail);
    return how;
}

/// The topics asked for, each by its own name or that of the topic whose letters it has.
[[nodiscard]] inline auto topics_of(const request& wanted, reader& from)
    -> std::vector<std::string> {
    std::vector<std::string> all;
    for (const std::string& each : wanted.topics) {
        all.push_back(each.starts_with("dlq.") ? each : "dlq." + each);
    }
    return all.empty() ? from.topics() : all;
}

} // namespace dead_letters
