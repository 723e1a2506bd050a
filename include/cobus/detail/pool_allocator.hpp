#pragma once

#include "pool.hpp"

#include <cstddef>

namespace cobus::detail {

/// The pool as a standard allocator, for containers whose nodes come and go on the hot path.
template <class T> class pool_allocator {
public:
    using value_type = T;

    pool_allocator() = default;
    template <class U> pool_allocator(const pool_allocator<U>& /*other*/) noexcept {
    } // NOLINT(google-explicit-constructor)

    [[nodiscard]] auto allocate(std::size_t count) -> T* {
        return static_cast<T*>(pool::allocate(count * sizeof(T)));
    }
    void deallocate(T* memory, std::size_t count) noexcept {
        pool::deallocate(memory, count * sizeof(T));
    }

    template <class U>
    friend auto operator==(const pool_allocator& /*a*/, const pool_allocator<U>& /*b*/) noexcept
        -> bool {
        return true;
    }
};

} // namespace cobus::detail
