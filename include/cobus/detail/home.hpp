#pragma once

#include <atomic>

namespace cobus::detail {

/// Runs something on one thread at a time without a strand: whoever turns the word from idle to
/// scheduled posts the run; a wake during a run makes it run once more.
class home_word {
public:
    /// True: the caller must post a run.
    [[nodiscard]] auto wake() noexcept -> bool {
        unsigned seen = word_.load(std::memory_order_relaxed);
        for (;;) {
            if (seen == scheduled || seen == again) {
                // Even so the word must be written, so that the run sees what was done before this
                // wake.
                if (word_.compare_exchange_weak(seen, seen, std::memory_order_acq_rel)) {
                    return false;
                }
                continue;
            }
            const unsigned wanted = seen == idle ? scheduled : again;
            if (word_.compare_exchange_weak(seen, wanted, std::memory_order_acq_rel)) {
                return wanted == scheduled;
            }
        }
    }
    void begin() noexcept { word_.exchange(running, std::memory_order_acq_rel); }
    /// True: something was woken meanwhile, or `more` is left; the caller must post another run.
    [[nodiscard]] auto end(bool more) noexcept -> bool {
        unsigned seen = running;
        if (!more && word_.compare_exchange_strong(seen, idle, std::memory_order_acq_rel)) {
            return false;
        }
        word_.store(scheduled, std::memory_order_release);
        return true;
    }
    /// The posting failed: let the next wake try again.
    void not_posted() noexcept { word_.store(idle, std::memory_order_release); }

private:
    static constexpr unsigned idle = 0;
    static constexpr unsigned scheduled = 1;
    static constexpr unsigned running = 2;
    static constexpr unsigned again = 3;

    std::atomic<unsigned> word_{idle};
};

} // namespace cobus::detail
