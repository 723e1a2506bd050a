#pragma once

#include <array>
#include <cstddef>
#include <new>
#include <utility>

namespace cobus::detail {

/// Memory blocks by size class, kept per thread so that the hot path neither allocates nor locks.
/// A block may be freed on another thread than it came from; each thread keeps a bounded number, so
/// a producer and a consumer on different threads fall back on the allocator instead of growing.
class pool {
public:
    static constexpr std::size_t granularity = 64;
    static constexpr std::size_t classes = 32; // up to 2 KiB; larger blocks go to the allocator
    static constexpr std::size_t kept = 1024;  // blocks kept for each class and thread

    [[nodiscard]] static auto allocate(std::size_t bytes) -> void* {
        const std::size_t index = (bytes + granularity - 1) / granularity;
        if (index < classes && !gone()) {
            list& free = lists().free[index];
            if (free.head != nullptr) {
                --free.count;
                return std::exchange(free.head, free.head->next);
            }
        }
        return ::operator new(index * granularity);
    }

    static void deallocate(void* block, std::size_t bytes) noexcept {
        const std::size_t index = (bytes + granularity - 1) / granularity;
        if (index < classes && !gone()) {
            list& free = lists().free[index];
            if (free.count < kept) {
                ++free.count;
                free.head = ::new (block) node{free.head};
                return;
            }
        }
        ::operator delete(block);
    }

private:
    struct node {
        node* next;
    };
    struct list {
        node* head = nullptr;
        std::size_t count = 0;
    };
    struct cache {
        std::array<list, classes> free;

        cache() = default;
        cache(const cache&) = delete;
        auto operator=(const cache&) -> cache& = delete;
        ~cache() {
            gone() = true;
            for (list& each : free) {
                while (each.head != nullptr) {
                    ::operator delete(std::exchange(each.head, each.head->next));
                }
            }
        }
    };

    // Trivially destructible, so it may be asked after the thread's cache is destroyed.
    [[nodiscard]] static auto gone() noexcept -> bool& {
        static thread_local bool value = false;
        return value;
    }
    [[nodiscard]] static auto lists() -> cache& {
        static thread_local cache value;
        return value;
    }
};

/// An object from the pool.
template <class T, class... Args>
[[nodiscard]] auto pool_new(Args&&... args) -> T* {
    static_assert(alignof(T) <= alignof(std::max_align_t));
    void* block = pool::allocate(sizeof(T));
    try {
        return ::new (block) T(std::forward<Args>(args)...);
    } catch (...) {
        pool::deallocate(block, sizeof(T));
        throw;
    }
}

template <class T>
void pool_delete(T* object) noexcept {
    object->~T();
    pool::deallocate(object, sizeof(T));
}

struct pool_deleter {
    template <class T>
    void operator()(T* object) const noexcept {
        pool_delete(object);
    }
};

} // namespace cobus::detail
