#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

namespace cobus::testing {

/// Something a transport can do, or the reason why it cannot.
struct capability {
    std::string_view missing{}; ///< empty when it is there

    [[nodiscard]] constexpr auto there() const noexcept -> bool { return missing.empty(); }
};

/// `without("the file has one reader")`: a capability that is missing, and why.
[[nodiscard]] consteval auto without(std::string_view why) -> capability {
    return why.empty() ? throw "say why it is missing" : capability{why};
}

/// What a transport promises. A fixture says it as `static constexpr transport_traits traits`; what
/// it does not mention is there. A case that needs what is missing is skipped, and says so.
struct transport_traits {
    capability ordered_per_key{};   ///< messages of one key arrive in the order of their publishing
    capability groups{};            ///< each group gets every message, its members share them
    capability durable{};           ///< what was acknowledged outlives the bus that published it
    capability replay{};            ///< a new group begins with the oldest message that is kept
    capability several_instances{}; ///< several buses at once; else a single instance
    capability exact_publish{};     ///< retries of its own neither reorder nor duplicate
    capability companions{};        ///< `interest::companions` go with what they belong to
    capability metadata_commit{};   ///< what was finished out of order is remembered
    capability transactions{};
    capability back_pressure{};  ///< publishing waits while handlers, or `stall`, hold up the rest
    capability size_limit{};     ///< payloads of `too_large` bytes are refused
    capability offset_gaps{};    ///< the fixture has `leave_gap`
    capability growing_topics{}; ///< the fixture has `add_partitions`
    capability steady_rebalance{}; ///< members go on, and may commit, while another one joins
    capability fault_injection{};  ///< the fixture has `stall`, `resume` and `disturb`
    capability restartable{};      ///< the fixture has `down` and `up`
    capability
        cluster_faults{}; ///< it has `move_leaders`, `move_coordinator`, `refuse`, `answer_after`
    capability keeps_for_later{}; ///< what is published in an outage is handled and sent after it

    std::size_t max_payload = std::size_t{4} << 20U; ///< bytes that are certainly taken
    std::size_t too_large = std::size_t{64} << 20U;  ///< bytes that are certainly refused
    /// How long a member may be silent before its group goes on without it; 0: for ever.
    std::chrono::milliseconds member_silence{0};
};

/// What a fixture's `refuse` is about.
enum class request : unsigned char { publish, fetch, commit, join };

/// A case's numbers: those of the specification, or as few as still show something.
enum class case_size : unsigned char { normal, brief };

} // namespace cobus::testing
