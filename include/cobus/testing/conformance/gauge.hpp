#pragma once

#include <atomic>
#include <cstddef>

namespace cobus::testing {

/// How many handlers run now, and how many ran at most at the same time. Any thread.
class gauge {
public:
    /// Counts one more for as long as it lives.
    class part {
    public:
        explicit part(gauge& of) noexcept : of_(&of) { of_->enter(); }
        part(const part&) = delete;
        auto operator=(const part&) -> part& = delete;
        ~part() { of_->now_.fetch_sub(1); }

    private:
        gauge* of_;
    };

    [[nodiscard]] auto now() const noexcept -> std::size_t { return now_.load(); }
    [[nodiscard]] auto most() const noexcept -> std::size_t { return most_.load(); }

private:
    void enter() noexcept {
        const std::size_t here = now_.fetch_add(1) + 1;
        std::size_t before = most_.load();
        while (before < here && !most_.compare_exchange_weak(before, here)) {
        }
    }

    std::atomic<std::size_t> now_{0};
    std::atomic<std::size_t> most_{0};
};

} // namespace cobus::testing
