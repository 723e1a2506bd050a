#pragma once

#include "job.hpp"
#include "registration.hpp"
#include "retry_ledger.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail {

/// A partition with the retry partitions that go where it goes, for the time of one assignment.
struct retry_lot {
    struct tier {
        partition_state* at;
        const std::string* topic;
        std::deque<record*> waiting; ///< for their time, in the order of their offsets
        bool restored;               ///< what waited before the assignment was read
        std::chrono::steady_clock::time_point ask_at;
        bool refused; ///< the marker that is to be read first
    };

    [[nodiscard]] auto find(const partition_state& which) -> tier& {
        return *std::find_if(tiers.begin(), tiers.end(),
                             [&](const tier& each) { return each.at == &which; });
    }
    [[nodiscard]] auto find(const partition_state& which) const -> const tier& {
        return *std::find_if(tiers.begin(), tiers.end(),
                             [&](const tier& each) { return each.at == &which; });
    }
    [[nodiscard]] auto index(const tier& which) const noexcept -> std::size_t {
        return static_cast<std::size_t>(&which - tiers.data());
    }
    [[nodiscard]] auto known() const noexcept -> bool {
        return std::all_of(tiers.begin(), tiers.end(),
                           [](const tier& each) { return each.restored; });
    }

    partition_state* main = nullptr;
    std::vector<tier> tiers;
    retry_ledger ledger;
    std::set<std::pair<const registration*, std::int64_t>> restored; ///< handlers and offsets
    std::string token;                                               ///< of the assignment
    std::uint64_t numbers = 0;                                       ///< given to copies
    bool gone = false;
};

} // namespace cobus::detail
