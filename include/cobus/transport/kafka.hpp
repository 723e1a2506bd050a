#pragma once

#include "../detail/separate.hpp"
#include "transport.hpp"

namespace cobus {

/// Carries messages over Kafka.
///
///     cobus::bus bus(executor, cobus::settings::from_environment(), cobus::kafka());
///
/// The factory throws `cobus::error` with `errc::bad_settings` and the property's name when
/// librdkafka refuses a property.
[[nodiscard]] COBUS_DECL auto kafka() -> transport_factory;

} // namespace cobus
