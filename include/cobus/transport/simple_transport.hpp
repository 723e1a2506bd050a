#pragma once

#include "simple/adapter.hpp"
#include "simple/hooks.hpp"

#include <memory>

namespace cobus {

/// A factory for `cobus::over`, of a class that derives from `simple_transport` and is constructed
/// from the bus's options and then `args`, which each bus gets a copy of.
template <class Transport, class... Args>
[[nodiscard]] auto simple(Args... args) -> transport_factory {
    return [args...](const transport_options& options) -> std::unique_ptr<transport> {
        return std::make_unique<detail::simple_adapter>(
            std::make_shared<Transport>(options, args...), options);
    };
}

} // namespace cobus
