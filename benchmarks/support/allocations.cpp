#include "allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> count{0};

auto take(std::size_t bytes) -> void* {
    count.fetch_add(1, std::memory_order_relaxed);
    if (void* const taken = std::malloc(bytes != 0 ? bytes : 1)) {
        return taken;
    }
    throw std::bad_alloc();
}

auto take(std::size_t bytes, std::align_val_t alignment) -> void* {
    count.fetch_add(1, std::memory_order_relaxed);
    const auto step = static_cast<std::size_t>(alignment);
    if (void* const taken = std::aligned_alloc(step, (bytes + step - 1) / step * step)) {
        return taken;
    }
    throw std::bad_alloc();
}

} // namespace

auto bench::allocations() noexcept -> std::size_t { return count.load(std::memory_order_relaxed); }

auto operator new(std::size_t bytes) -> void* { return take(bytes); }
auto operator new[](std::size_t bytes) -> void* { return take(bytes); }
auto operator new(std::size_t bytes, std::align_val_t alignment) -> void* {
    return take(bytes, alignment);
}
auto operator new[](std::size_t bytes, std::align_val_t alignment) -> void* {
    return take(bytes, alignment);
}
void operator delete(void* taken) noexcept { std::free(taken); }
void operator delete[](void* taken) noexcept { std::free(taken); }
void operator delete(void* taken, std::size_t) noexcept { std::free(taken); }
void operator delete[](void* taken, std::size_t) noexcept { std::free(taken); }
void operator delete(void* taken, std::align_val_t) noexcept { std::free(taken); }
void operator delete[](void* taken, std::align_val_t) noexcept { std::free(taken); }
void operator delete(void* taken, std::size_t, std::align_val_t) noexcept { std::free(taken); }
void operator delete[](void* taken, std::size_t, std::align_val_t) noexcept { std::free(taken); }
