#pragma once

#include "../detail/bus_home.hpp"
#include "../detail/open_bus.hpp"
#include "../error.hpp"
#include "../transport/failover.hpp"
#include "../transport/memory.hpp"

#include <memory>
#include <utility>

namespace cobus::detail {

COBUS_DECL auto choose_transport(const settings& how, transport_factory kafka)
    -> transport_factory {
    if (!how.kafka_enabled()) {
        return memory();
    }
    if (!kafka) {
        return [](const transport_options& /*options*/) -> std::unique_ptr<transport> {
            throw error(errc::no_transport, "KAFKA_ENABLED is true");
        };
    }
    return with_fallback(std::move(kafka), memory(), how.kafka_required());
}

COBUS_DECL auto open_bus(net::any_io_executor executor, settings how, transport_factory make)
    -> std::shared_ptr<bus_core> {
    auto opened = std::make_shared<bus_home>(std::move(executor), std::move(how), std::move(make));
    opened->open();
    return opened;
}

} // namespace cobus::detail
