#pragma once

#include "../transport/kafka.hpp"
#include "../transport/kafka/transport.hpp"

#include <memory>

namespace cobus {

COBUS_DECL auto kafka() -> transport_factory {
    return [](const transport_options& options) -> std::unique_ptr<transport> {
        return std::make_unique<detail::kafka::kafka_transport>(options);
    };
}

} // namespace cobus
