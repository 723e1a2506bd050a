#pragma once

namespace cobus::test {

/// Whether the thread sanitizer watches: it has a thread of its own, and everything takes several
/// times as long.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool thread_sanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool thread_sanitizer = true;
#else
inline constexpr bool thread_sanitizer = false;
#endif
#else
inline constexpr bool thread_sanitizer = false;
#endif

} // namespace cobus::test
