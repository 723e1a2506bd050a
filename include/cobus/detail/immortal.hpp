#pragma once

namespace cobus::detail {

/// The one constant of that type, which is never destroyed: threads that the end of the process
/// leaves may still use it.
template <class T> [[nodiscard]] auto immortal() noexcept -> const T& {
    static const T* const instance = new T();
    return *instance;
}

} // namespace cobus::detail
