#pragma once

namespace cobus::detail {

/// A constant that is never destroyed: threads that the end of the process leaves may still use it.
template <class T> union immortal {
    constexpr immortal() noexcept : value() {}
    immortal(const immortal&) = delete;
    auto operator=(const immortal&) -> immortal& = delete;
    constexpr ~immortal() {} // NOLINT(modernize-use-equals-default): that would be deleted

    T value;
};

} // namespace cobus::detail
