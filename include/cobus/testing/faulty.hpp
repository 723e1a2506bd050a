#pragma once

#include "../transport/transport.hpp"
#include "faults.hpp"
#include "kit/faulty_transport.hpp"

#include <memory>
#include <utility>

namespace cobus::testing {

/// Any transport, with a script of faults between it and the bus:
///
///     cobus::testing::fault_script faults;
///     faults.fail(cobus::testing::nth(2), cobus::errc::timed_out);
///     cobus::bus bus(executor, settings, cobus::over(cobus::testing::faulty(my_transport(),
///     faults)));
[[nodiscard]] inline auto faulty(transport_factory inner, fault_script faults)
    -> transport_factory {
    return [inner = std::move(inner), faults = std::move(faults)](const transport_options& how) {
        return std::make_unique<detail::faulty_transport>(inner(how), faults, how, false);
    };
}

/// The same, playing Kafka for `cobus::failover`: what it carries leaves the process, as bytes, and
/// counts as acknowledged by Kafka. So degradation is tested without a broker.
[[nodiscard]] inline auto playing_kafka(transport_factory inner, fault_script faults)
    -> transport_factory {
    return [inner = std::move(inner), faults = std::move(faults)](const transport_options& how) {
        transport_options as_bytes = how;
        as_bytes.serialise = true;
        return std::make_unique<detail::faulty_transport>(inner(as_bytes), faults, how, true);
    };
}

} // namespace cobus::testing
