#pragma once

#include <cobus/settings.hpp>

#include <cstdlib>
#include <string>

namespace activity {

/// The bus's settings from the environment, and the service's own variable: KAFKA_ACTIVITY_TOPIC is
/// what this installation calls the topic `event`.
[[nodiscard]] inline auto settings_from_environment() -> cobus::settings {
    cobus::settings how = cobus::settings::from_environment();
    const char* const topic = std::getenv("KAFKA_ACTIVITY_TOPIC"); // before any thread is started
    if (topic != nullptr && *topic != '\0') {
        how.topic("event", topic);
    }
    return how;
}

/// "Kafka at localhost:9092", or "memory".
[[nodiscard]] inline auto destination(const cobus::settings& how) -> std::string {
    if (!how.kafka_enabled()) {
        return "memory";
    }
    std::string text;
    for (const std::string& broker : how.brokers()) {
        text.append(text.empty() ? "Kafka at " : ", ").append(broker);
    }
    return text;
}

} // namespace activity
