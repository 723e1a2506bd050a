#pragma once

#include <algorithm>
#include <chrono>

namespace cobus::detail {

/// A length of time that can be added to any time without an overflow: "for ever", as
/// `milliseconds::max()`, becomes ten years.
template <class Duration> [[nodiscard]] constexpr auto addable(Duration given) -> Duration {
    constexpr auto longest = std::chrono::duration_cast<Duration>(std::chrono::hours(24 * 3652));
    return (std::clamp)(given, -longest, longest);
}

} // namespace cobus::detail
