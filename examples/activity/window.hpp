#pragma once

#include "sleeper.hpp"

#include <cobus/net.hpp>

#include <chrono>
#include <cstddef>

namespace activity {

/// Counts what is under way, and lets one coroutine wait until it is little enough. For one thread.
class window {
public:
    using clock = std::chrono::steady_clock;

    explicit window(const cobus::net::any_io_executor& executor) : changed_(executor) {}

    void enter() noexcept { ++count_; }
    void leave() {
        --count_;
        if (waiting_ && count_ <= wanted_) {
            changed_.wake();
        }
    }
    [[nodiscard]] auto count() const noexcept -> std::size_t { return count_; }

    /// Completes when no more than `limit` are under way, or the time is over.
    [[nodiscard]] auto at_most(std::size_t limit, std::chrono::milliseconds longest)
        -> cobus::net::awaitable<void> {
        const clock::time_point end = clock::now() + longest;
        wanted_ = limit;
        waiting_ = true;
        while (count_ > limit && clock::now() < end) {
            co_await changed_.sleep(
                std::chrono::ceil<std::chrono::milliseconds>(end - clock::now()));
        }
        waiting_ = false;
    }
    /// Completes when no more than `limit` are under way.
    [[nodiscard]] auto at_most(std::size_t limit) -> cobus::net::awaitable<void> {
        return at_most(limit, std::chrono::hours(24 * 365));
    }

private:
    sleeper changed_;
    std::size_t count_ = 0;
    std::size_t wanted_ = 0;
    bool waiting_ = false;
};

} // namespace activity
