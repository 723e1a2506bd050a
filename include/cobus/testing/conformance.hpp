#pragma once

#include "conformance/back_pressure.hpp"
#include "conformance/cluster_faults.hpp"
#include "conformance/data.hpp"
#include "conformance/delivery.hpp"
#include "conformance/failures.hpp"
#include "conformance/faults.hpp"
#include "conformance/groups.hpp"
#include "conformance/idempotency.hpp"
#include "conformance/lifecycle.hpp"
#include "conformance/long_retries.hpp"
#include "conformance/order.hpp"
#include "conformance/outages.hpp"
#include "conformance/publishing.hpp"
#include "conformance/recovery.hpp"
#include "conformance/relaying.hpp"
#include "conformance/runner.hpp"

#include <string>
#include <utility>
#include <vector>

namespace cobus::testing {

/// The properties that every transport must show, as cases to be run: docs/conformance.md.
///
///     struct my_fixture {
///         static constexpr cobus::testing::transport_traits traits{
///             .transactions = cobus::testing::without("it has none")};
///         auto transport() -> cobus::transport_factory;
///     };
///     for (const auto& each : cobus::testing::conformance<my_fixture>()) { … each.run({}) … }
///
/// Each run has a fixture, a context and topics of its own. A case that needs what the transport
/// does not have says so in `skip`.
template <conformance_fixture Fixture>
[[nodiscard]] auto conformance() -> std::vector<conformance_case> {
    std::vector<conformance_case> all;
    for (const auto& part :
         {detail::data_cases(), detail::publishing_cases(), detail::back_pressure_cases(),
          detail::delivery_cases(), detail::recovery_cases(), detail::order_cases(),
          detail::group_cases(), detail::failure_cases(), detail::long_retry_cases(),
          detail::lifecycle_cases(), detail::fault_cases(), detail::cluster_fault_cases(),
          detail::outage_cases(), detail::idempotency_cases(), detail::relaying_cases()}) {
        for (const detail::case_definition& each : part) {
            conformance_case made;
            made.id = each.id;
            made.sentence = each.sentence;
            made.skip = detail::skip_reason(each, Fixture::traits);
            made.run = [each](const run_options& how) { detail::run_case<Fixture>(each, how); };
            all.push_back(std::move(made));
        }
    }
    return all;
}

} // namespace cobus::testing
