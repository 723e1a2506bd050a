#pragma once

#include "../contract.hpp"
#include "../message.hpp"
#include "contract_info.hpp"

#include <string_view>

namespace cobus::detail {

// How a message looks on Kafka, decided once for all that write one: CloudEvents 1.0, its Kafka
// protocol binding, section 3.

inline constexpr std::string_view structured_type = "application/cloudevents+json";

[[nodiscard]] inline auto is_structured(std::string_view content_type) noexcept -> bool {
    return content_type.starts_with("application/cloudevents") &&
           !content_type.starts_with("application/cloudevents-batch");
}

/// The mode that this message can travel in: an envelope needs a type, and is not put twice.
[[nodiscard]] inline auto wire_form(const message& from, const wire& otherwise) -> wire::mode {
    if (from.form()) {
        return *from.form();
    }
    if (from.type().empty()) {
        return wire::mode::plain;
    }
    const contract_info* info = from.written_as();
    if (info == nullptr) {
        const auto content_type = from.headers().get("content-type");
        if (content_type && is_structured(*content_type)) {
            return wire::mode::plain;
        }
    }
    const wire::mode wanted = (info != nullptr && info->how ? *info->how : otherwise).how();
    const bool can_wrap = info != nullptr && info->wrap != nullptr;
    return wanted == wire::mode::structured && !can_wrap ? wire::mode::binary : wanted;
}

} // namespace cobus::detail
