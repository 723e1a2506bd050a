#pragma once

#include "../transport/transport.hpp"

#include <atomic>
#include <thread>

namespace cobus::detail {

/// Wakes a stream's owner once for each time that a poll found nothing. Whoever has something
/// claims the wake under the lock that guards the way to this gate, and fires after releasing it;
/// the destructor waits for those in between, so that none comes to a stream that is gone.
class wake_gate {
public:
    explicit wake_gate(waker& target) noexcept : target_(&target) {}
    wake_gate(const wake_gate&) = delete;
    auto operator=(const wake_gate&) -> wake_gate& = delete;
    /// After the last way to this gate is gone.
    ~wake_gate() {
        while (visits_.load(std::memory_order_acquire) != 0) {
            std::this_thread::yield();
        }
    }

    void arm() noexcept { armed_.store(true, std::memory_order_seq_cst); }
    void disarm() noexcept {
        if (armed_.load(std::memory_order_relaxed)) {
            armed_.store(false, std::memory_order_relaxed);
        }
    }
    /// True: the caller must `fire`.
    [[nodiscard]] auto claim() noexcept -> bool {
        if (!armed_.exchange(false, std::memory_order_seq_cst)) {
            return false;
        }
        visits_.fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    void fire() noexcept {
        target_->wake();
        visits_.fetch_sub(1, std::memory_order_release);
    }

private:
    waker* target_;
    std::atomic<bool> armed_{false};
    std::atomic<int> visits_{0};
};

} // namespace cobus::detail
