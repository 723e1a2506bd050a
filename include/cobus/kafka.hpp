#pragma once

/// The Kafka transport, over librdkafka. Hand `cobus::kafka()` to the bus.

#include "transport/kafka/transport.hpp"

#include <memory>

namespace cobus {

/// Carries messages over Kafka.
///
///     cobus::bus bus(executor, cobus::settings::from_environment(), cobus::kafka());
///
/// The factory throws `cobus::error` with `errc::bad_settings` and the property's name when
/// librdkafka refuses a property.
[[nodiscard]] inline auto kafka() -> transport_factory {
    return [](const transport_options& options) -> std::unique_ptr<transport> {
        return std::make_unique<detail::kafka::kafka_transport>(options);
    };
}

} // namespace cobus
