#pragma once

#include <cobus/transport/failover/runtime.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>

namespace cobus::testing {

/// Time that passes when a test says so, and a home that runs when a test says so.
class manual_time {
public:
    using clock = std::chrono::steady_clock;

    [[nodiscard]] auto make() -> std::unique_ptr<detail::failover_runtime> {
        return std::make_unique<runtime>(*this);
    }
    [[nodiscard]] auto now() const noexcept -> clock::time_point { return now_; }
    [[nodiscard]] auto due() const noexcept -> clock::time_point { return due_; }
    [[nodiscard]] auto runs() const noexcept -> int { return runs_; }

    /// Runs the home until it has nothing more to do.
    void settle() {
        while (home_ != nullptr && woken_.exchange(false)) {
            ++runs_;
            if (home_->run(now_)) {
                woken_ = true;
            }
        }
    }
    /// Lets time pass, alarm by alarm.
    void pass(std::chrono::milliseconds time) {
        const clock::time_point end = now_ + time;
        settle();
        while (due_ <= end) {
            now_ = (std::max)(now_, due_);
            due_ = (clock::time_point::max)();
            woken_ = true;
            settle();
        }
        now_ = end;
    }

private:
    class runtime final : public detail::failover_runtime {
    public:
        explicit runtime(manual_time& of) noexcept : of_(&of) {}
        void open(home& who) override { of_->home_ = &who; }
        [[nodiscard]] auto now() const noexcept -> clock::time_point override { return of_->now_; }
        void wake() noexcept override { of_->woken_ = true; }
        void ring_at(clock::time_point due) noexcept override { of_->due_ = due; }
        void close() noexcept override { of_->home_ = nullptr; }

    private:
        manual_time* of_;
    };

    clock::time_point now_{std::chrono::hours(1)};
    clock::time_point due_ = (clock::time_point::max)();
    detail::failover_runtime::home* home_ = nullptr;
    std::atomic<bool> woken_{false}; ///< also by the thread that writes a spool's file
    int runs_ = 0;
};

} // namespace cobus::testing
