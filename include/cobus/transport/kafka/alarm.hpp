#pragma once

#include "../../net.hpp"
#include "../transport.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace cobus::detail::kafka {

/// The last whole second up to `due`, for what need not be exact: all such alarms of a machine ring
/// together and wake it once.
[[nodiscard]] constexpr auto on_the_second(std::chrono::steady_clock::time_point due) noexcept
    -> std::chrono::steady_clock::time_point {
    return std::chrono::floor<std::chrono::seconds>(due);
}

/// Wakes somebody at a time. The timer itself belongs to its own pending wait, so that neither this
/// object nor its owner reaches into a context that is gone. Thread-safe.
class alarm : public std::enable_shared_from_this<alarm> {
public:
    using clock = std::chrono::steady_clock;

    alarm(net::any_io_executor executor, waker& who) : executor_(std::move(executor)), who_(&who) {}
    alarm(const alarm&) = delete;
    auto operator=(const alarm&) -> alarm& = delete;

    /// Replaces an earlier time. Without memory it stays unset.
    void set(clock::time_point due) noexcept {
        try {
            const std::lock_guard lock(guard_);
            if (executor_) {
                stop();
                auto timer = std::make_unique<net::steady_timer>(*executor_, due);
                current_ = timer.get();
                current_->async_wait(wait(shared_from_this(), std::move(timer)));
            }
        } catch (...) { // librdkafka's next wake does what this one would have
        }
    }
    /// After this, nobody is woken any more.
    void silence() noexcept {
        const std::lock_guard lock(guard_);
        executor_.reset();
        who_ = nullptr;
        stop();
    }

private:
    class wait {
    public:
        wait(std::shared_ptr<alarm> owner, std::unique_ptr<net::steady_timer> timer) noexcept
            : owner_(std::move(owner)), timer_(std::move(timer)) {}
        wait(wait&&) noexcept = default;
        wait(const wait&) = delete;
        auto operator=(wait&&) -> wait& = delete;
        auto operator=(const wait&) -> wait& = delete;
        ~wait() {
            if (timer_) { // the context dies with the wait pending
                owner_->forget(*timer_);
            }
        }
        void operator()(const std::error_code& ec) {
            owner_->ring(*timer_, !ec);
            timer_.reset();
        }

    private:
        std::shared_ptr<alarm> owner_;
        std::unique_ptr<net::steady_timer> timer_;
    };

    void stop() noexcept {
        if (net::steady_timer* running = std::exchange(current_, nullptr)) {
            try {
                running->cancel();
            } catch (...) { // then it rings once too often
            }
        }
    }
    void forget(const net::steady_timer& timer) noexcept {
        const std::lock_guard lock(guard_);
        if (current_ == &timer) {
            current_ = nullptr;
        }
    }
    void ring(const net::steady_timer& timer, bool due) noexcept {
        const std::lock_guard lock(guard_);
        if (current_ == &timer) {
            current_ = nullptr;
            if (due && who_ != nullptr) {
                who_->wake();
            }
        }
    }

    std::mutex guard_;
    std::optional<net::any_io_executor> executor_;
    waker* who_;
    net::steady_timer* current_ = nullptr;
};

} // namespace cobus::detail::kafka
