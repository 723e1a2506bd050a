#pragma once

#include <cstddef>

namespace cobus::detail {

/// Has the processor fetch what is about to be used; of null, nothing. With thousands of publishes
/// under way nothing of them is in its cache any more.
inline void fetch_ahead(const void* what, std::size_t size) noexcept {
#if defined(__GNUC__) || defined(__clang__)
    constexpr std::size_t line = 64;
    for (std::size_t at = 0; at < size; at += line) {
        __builtin_prefetch(static_cast<const char*>(what) + at, 1);
    }
#else
    static_cast<void>(what);
    static_cast<void>(size);
#endif
}

} // namespace cobus::detail
