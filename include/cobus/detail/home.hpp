#pragma once

#include <atomic>

namespace cobus::detail {

/// Runs something on one thread at a time without a strand: whoever finds the word idle posts the
/// run; a wake during a run makes it run once more. Somebody who is on the executor already may run
/// it at once; a run that was posted meanwhile then finds less to do, or nothing.
class home_word {
public:
    /// True: the caller must post a run.
    [[nodiscard]] auto wake() noexcept -> bool {
        unsigned seen = word_.load(std::memory_order_relaxed);
        for (;;) {
            // Even an unchanged word must be written, so that the run sees what was done before.
            const unsigned wanted = (seen & running) != 0 ? seen | again : posted;
            if (word_.compare_exchange_weak(seen, wanted, std::memory_order_acq_rel)) {
                return seen == idle;
            }
        }
    }
    /// A posted run begins. False: another is under way, and does it.
    [[nodiscard]] auto begin() noexcept -> bool {
        unsigned seen = word_.load(std::memory_order_relaxed);
        for (;;) {
            const bool free = (seen & running) == 0;
            const unsigned wanted = free ? running : (seen & ~posted) | again;
            if (word_.compare_exchange_weak(seen, wanted, std::memory_order_acq_rel)) {
                return free;
            }
        }
    }
    /// A run begins that was not posted. False: another is under way.
    [[nodiscard]] auto begin_here() noexcept -> bool {
        unsigned seen = word_.load(std::memory_order_relaxed);
        while ((seen & running) == 0) {
            if (word_.compare_exchange_weak(seen, seen | running, std::memory_order_acq_rel)) {
                return true;
            }
        }
        return false;
    }
    /// True: something was woken meanwhile, or `more` is left; the caller must post another run.
    [[nodiscard]] auto end(bool more) noexcept -> bool {
        unsigned seen = word_.load(std::memory_order_relaxed);
        for (;;) {
            const bool next = more || (seen & again) != 0;
            const unsigned wanted = next ? posted : seen & posted;
            if (word_.compare_exchange_weak(seen, wanted, std::memory_order_acq_rel)) {
                return next && (seen & posted) == 0;
            }
        }
    }
    /// The posting failed: let the next wake try again.
    void not_posted() noexcept { word_.fetch_and(~posted, std::memory_order_release); }

private:
    static constexpr unsigned idle = 0;
    static constexpr unsigned posted = 1;
    static constexpr unsigned running = 2;
    static constexpr unsigned again = 4;

    std::atomic<unsigned> word_{idle};
};

} // namespace cobus::detail
