#pragma once

#include "transport.hpp"

#include <utility>

namespace cobus {

/// A transport that a bus uses whatever the settings say of Kafka, with nothing to fall back on.
class only_transport {
public:
    explicit only_transport(transport_factory make) : make_(std::move(make)) {}
    [[nodiscard]] auto make() const noexcept -> const transport_factory& { return make_; }

private:
    transport_factory make_;
};

/// `cobus::bus bus(executor, settings, cobus::over(my_transport()))`.
[[nodiscard]] inline auto over(transport_factory make) -> only_transport {
    return only_transport(std::move(make));
}

} // namespace cobus
