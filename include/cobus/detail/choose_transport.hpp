#pragma once

#include "../error.hpp"
#include "../settings.hpp"
#include "../transport/failover.hpp"
#include "../transport/memory.hpp"
#include "../transport/transport.hpp"

#include <memory>
#include <utility>

namespace cobus::detail {

/// What a bus travels on, by its settings.
[[nodiscard]] inline auto choose_transport(const settings& how, transport_factory kafka)
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

} // namespace cobus::detail
