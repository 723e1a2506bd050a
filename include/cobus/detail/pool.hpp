#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

namespace cobus::detail {

/// A free block of the pool; the first of a bundle also leads to the next bundle.
struct pool_block {
    pool_block* next;
    pool_block* next_bundle;
};

/// Where threads leave bundles of blocks that they have too many of, for those that have too few: a
/// producer on one thread and a consumer on another neither allocate nor grow. Bounded.
class pool_depot {
public:
    static constexpr std::size_t bundle = 64; // blocks

    constexpr pool_depot() = default;
    pool_depot(const pool_depot&) = delete;
    auto operator=(const pool_depot&) -> pool_depot& = delete;
    ~pool_depot() = default; // what it has at the end of the process is left to that

    /// Of blocks of that size. False when it has enough.
    [[nodiscard]] auto put(pool_block* first, std::size_t block) noexcept -> bool {
        const std::lock_guard lock(guard_);
        if (count_ * bundle * block >= most) {
            return false;
        }
        ++count_;
        first->next_bundle = std::exchange(first_, first);
        return true;
    }
    /// A whole bundle, or null.
    [[nodiscard]] auto take() noexcept -> pool_block* {
        const std::lock_guard lock(guard_);
        if (first_ != nullptr) {
            --count_;
            return std::exchange(first_, first_->next_bundle);
        }
        return nullptr;
    }

private:
    static constexpr std::size_t most = std::size_t{8} << 20U; // bytes: half a full log's messages

    std::mutex guard_;
    pool_block* first_ = nullptr;
    std::size_t count_ = 0;
};

/// The blocks of one size that a thread keeps.
struct pool_list {
    pool_block* head = nullptr;
    std::size_t count = 0;
};

/// What a thread keeps. Trivially destroyed, so that it may be used after the thread's other
/// objects are gone.
struct pool_cache {
    static constexpr std::size_t classes = 128;

    std::array<pool_list, classes> free;
    std::size_t most = 0; ///< blocks of each size; none before its first use and after its end
    bool over = false;
};

inline constinit thread_local pool_cache local_pool_cache{}; // NOLINT: one for each thread
inline constinit std::array<pool_depot, pool_cache::classes> pool_depots{}; // NOLINT: shared

/// Memory blocks by size class, kept per thread so that the hot path neither allocates nor locks.
/// A block may be freed on another thread than it came from.
class pool {
public:
    static constexpr std::size_t granularity = 16;
    static constexpr std::size_t classes = pool_cache::classes; // larger ones: the allocator
    static constexpr std::size_t kept = 2 * pool_depot::bundle; // blocks of each size and thread

    [[nodiscard]] static auto allocate(std::size_t bytes) -> void* {
        const std::size_t index = (bytes + granularity - 1) / granularity;
        if (index < classes) {
            pool_list& free = local_pool_cache.free[index];
            if (free.head != nullptr) {
                --free.count;
                return std::exchange(free.head, free.head->next);
            }
        }
        return refill(index);
    }

    static void deallocate(void* block, std::size_t bytes) noexcept {
        const std::size_t index = (bytes + granularity - 1) / granularity;
        if (index < classes) {
            pool_cache& mine = local_pool_cache;
            pool_list& free = mine.free[index];
            if (free.count == mine.most && !make_room(mine, index)) {
                ::operator delete(block);
                return;
            }
            ++free.count;
            free.head = ::new (block) pool_block{free.head, nullptr};
            return;
        }
        ::operator delete(block);
    }

private:
    /// Frees what a thread keeps, at its end.
    struct sweeper {
        sweeper() { local_pool_cache.most = kept; }
        sweeper(const sweeper&) = delete;
        auto operator=(const sweeper&) -> sweeper& = delete;
        ~sweeper() {
            local_pool_cache.most = 0;
            local_pool_cache.over = true;
            for (pool_list& each : local_pool_cache.free) {
                free_all(std::exchange(each, pool_list()).head);
            }
        }
    };

    static void free_all(pool_block* list) noexcept {
        while (list != nullptr) {
            ::operator delete(std::exchange(list, list->next));
        }
    }

    [[nodiscard]] static auto in_use(pool_cache& mine) noexcept -> bool {
        if (mine.most == 0 && !mine.over) {
            static thread_local const sweeper at_end;
        }
        return mine.most != 0;
    }
    [[gnu::noinline]] static auto refill(std::size_t index) -> void* {
        pool_cache& mine = local_pool_cache;
        if (index < classes && in_use(mine)) {
            if (pool_block* bundle = pool_depots[index].take()) {
                mine.free[index] = {bundle->next, pool_depot::bundle - 1};
                return bundle;
            }
        }
        return ::operator new(index * granularity);
    }
    /// Makes room in a list that is full, or not yet used. False: the thread keeps nothing.
    [[gnu::noinline]] static auto make_room(pool_cache& mine, std::size_t index) noexcept -> bool {
        pool_list& full = mine.free[index];
        if (!in_use(mine) || full.count < mine.most) {
            return mine.most != 0;
        }
        pool_block* const first = full.head;
        pool_block* last = first;
        for (std::size_t i = 1; i < pool_depot::bundle; ++i) {
            last = last->next;
        }
        full.head = std::exchange(last->next, nullptr);
        full.count -= pool_depot::bundle;
        if (!pool_depots[index].put(first, index * granularity)) {
            free_all(first);
        }
        return true;
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

/// Room for some characters, from the pool.
[[nodiscard]] inline auto pool_text(std::size_t size) -> char* {
    size += sizeof(std::size_t);
    auto* const block = static_cast<char*>(pool::allocate(size));
    std::memcpy(block, &size, sizeof size);
    return block + sizeof size;
}
inline void pool_text_release(void* text) noexcept {
    std::size_t size = 0;
    char* const block = static_cast<char*>(text) - sizeof size;
    std::memcpy(&size, block, sizeof size);
    pool::deallocate(block, size);
}

struct pool_deleter {
    template <class T>
    void operator()(T* object) const noexcept {
        pool_delete(object);
    }
};

} // namespace cobus::detail
