#pragma once

#include "job.hpp"
#include "registration.hpp"

#include <cstdint>
#include <functional>
#include <string_view>

namespace cobus::detail {

/// The lane of a job: jobs of one lane run one after another.
[[nodiscard]] inline auto lane_of(const job& work) noexcept -> std::uint64_t {
    constexpr std::uint64_t spread = 0x9E3779B97F4A7C15U; // 2^64 over the golden ratio
    const delivery& from = work.of->from;
    const order how = work.handler->options().ordered();
    std::uint64_t lane = std::hash<const void*>()(from.where.topic);
    if (how == order::by_key) {
        if (const auto key = from.content->key()) {
            // Without the partition: Kafka and this process may put a key into different ones.
            return lane ^ (std::hash<std::string_view>()(*key) * spread);
        }
    }
    lane = lane * 31U + static_cast<std::uint64_t>(from.where.partition);
    if (how == order::unordered) {
        lane ^= (static_cast<std::uint64_t>(from.offset) + 1) * spread;
    }
    return lane;
}

} // namespace cobus::detail
