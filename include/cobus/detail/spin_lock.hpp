#pragma once

#include <atomic>
#include <chrono>
#include <thread>

namespace cobus::detail {

/// A lock for sections of a few nanoseconds: one atomic exchange where a mutex needs two. Whoever
/// waits spins, then yields, then sleeps, so that a holder without a core gets one.
class spin_lock {
public:
    void lock() noexcept {
        if (held_.exchange(true, std::memory_order_acquire)) {
            wait();
        }
    }
    void unlock() noexcept { held_.store(false, std::memory_order_release); }

private:
    static constexpr int spins = 128;
    static constexpr int yields = 64;

    static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }
    [[gnu::noinline]] void wait() noexcept {
        for (int tries = 0;; ++tries) {
            if (!held_.load(std::memory_order_relaxed) &&
                !held_.exchange(true, std::memory_order_acquire)) {
                return;
            }
            if (tries < spins) {
                pause();
            } else if (tries < spins + yields) {
                std::this_thread::yield();
            } else {
                std::this_thread::sleep_for(std::chrono::microseconds(50));
            }
        }
    }

    std::atomic<bool> held_{false};
};

} // namespace cobus::detail
