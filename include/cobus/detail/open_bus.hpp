#pragma once

#include "../settings.hpp"
#include "../transport/transport.hpp"
#include "bus_core.hpp"
#include "separate.hpp"

#include <memory>

namespace cobus::detail {

/// What a bus travels on, by its settings.
[[nodiscard]] COBUS_DECL auto choose_transport(const settings& how, transport_factory kafka)
    -> transport_factory;

/// A bus on that transport, known to the service of its context.
[[nodiscard]] COBUS_DECL auto open_bus(net::any_io_executor executor, settings how,
                                       transport_factory make) -> std::shared_ptr<bus_core>;

} // namespace cobus::detail
