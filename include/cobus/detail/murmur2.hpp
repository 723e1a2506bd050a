#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace cobus::detail {

/// The 32-bit MurmurHash2 (Austin Appleby, public domain) with the seed of Kafka's clients.
[[nodiscard]] inline auto murmur2(std::string_view key) noexcept -> std::uint32_t {
    constexpr std::uint32_t factor = 0x5bd1e995U;
    const char* data = key.data();
    std::size_t left = key.size();
    std::uint32_t hash = 0x9747b28cU ^ static_cast<std::uint32_t>(left);
    for (; left >= 4; data += 4, left -= 4) {
        std::uint32_t word = 0;
        std::memcpy(&word, data, 4);
        if constexpr (std::endian::native == std::endian::big) {
            word = word >> 24U | (word >> 8U & 0xff00U) | (word << 8U & 0xff0000U) | word << 24U;
        }
        word *= factor;
        word ^= word >> 24U;
        hash = (hash * factor) ^ (word * factor);
    }
    const auto byte = [data](std::size_t at) {
        return std::uint32_t{static_cast<unsigned char>(data[at])};
    };
    switch (left) {
    case 3:
        hash ^= byte(2) << 16U;
        [[fallthrough]];
    case 2:
        hash ^= byte(1) << 8U;
        [[fallthrough]];
    case 1:
        hash = (hash ^ byte(0)) * factor;
        break;
    default:
        break;
    }
    hash = (hash ^ hash >> 13U) * factor;
    return hash ^ hash >> 15U;
}

/// Where Kafka's Java client, and librdkafka with `partitioner=murmur2_random`, put a key.
[[nodiscard]] inline auto partition_of(std::string_view key, std::uint32_t partitions) noexcept
    -> std::uint32_t {
    const std::uint32_t hash = murmur2(key) & 0x7fffffffU;
    // Not std::has_single_bit, which is a call where the instruction may be missing.
    return (partitions & (partitions - 1)) == 0 ? hash & (partitions - 1) : hash % partitions;
}

} // namespace cobus::detail
