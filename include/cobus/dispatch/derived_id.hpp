#pragma once

#include "../detail/sha1.hpp"
#include "../message_id.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace cobus::detail {

/// Why an event is published: the run of a handler. The same for a redelivered input, so that what
/// is published then has the same ids.
struct published_by {
    std::string_view source; ///< of the input
    std::string_view id;     ///< of the input, or its position where it has none
    std::string_view group;
    std::string_view handler;
};

/// A UUIDv5 (RFC 9562) in the namespace fde44cac-bf1e-543c-b0b5-a472f6f80a83 of the input's source
/// and id, group, handler, the type of what is published, and its number in this run, each as
/// `length:text,`. The type is in it so that a handler that publishes in another order the second
/// time never gives one event the id of another.
[[nodiscard]] inline auto derive_id(const published_by& why, std::string_view type,
                                    std::uint32_t number) -> message_id {
    // The UUIDv5 of "urn:cobus:derived-id" in RFC 9562's namespace of URLs.
    constexpr std::string_view space =
        "\xfd\xe4\x4c\xac\xbf\x1e\x54\x3c\xb0\xb5\xa4\x72\xf6\xf8\x0a\x83";
    const std::string ordinal = std::to_string(number);
    std::string name(space);
    for (const std::string_view each :
         {why.source, why.id, why.group, why.handler, type, std::string_view(ordinal)}) {
        name.append(std::to_string(each.size())).append(":").append(each).append(",");
    }
    const sha1::digest hash = sha1::of(name);
    std::array<std::uint8_t, 16> bytes{};
    std::copy_n(hash.begin(), bytes.size(), bytes.begin());
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0FU) | 0x50U);
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3FU) | 0x80U);
    return message_id::from_bytes(bytes);
}

} // namespace cobus::detail
