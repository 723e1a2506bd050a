#pragma once

namespace cobus::detail {

/// The one constant of that type, which is never destroyed: threads that the end of the process
/// leaves may still use it.
template <class T> [[nodiscard]] auto immortal() noexcept -> const T& {
    // A process without these few bytes ends.
    // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new)
    static const T* const instance = new T();
    return *instance;
}

} // namespace cobus::detail
