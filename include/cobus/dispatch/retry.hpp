#pragma once

#include "../detail/far_future.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <utility>

namespace cobus {

/// How often and how soon a handler is tried again: exponential backoff with full jitter (Brooker,
/// "Exponential Backoff and Jitter", 2015), then the dead letter topic. Pure.
class retry_policy {
public:
    retry_policy() {} // not an aggregate, for GCC 12

    /// Tries in all, the first included; at least 1.
    auto attempts(unsigned value) && -> retry_policy&& {
        attempts_ = (std::max)(value, 1U);
        return std::move(*this);
    }
    /// The ceiling of the first wait; each further one doubles it, up to `longest`.
    auto backoff(std::chrono::milliseconds first,
                 std::chrono::milliseconds longest) && -> retry_policy&& {
        first_ = detail::addable((std::max)(first, std::chrono::milliseconds(0)));
        longest_ = detail::addable((std::max)(longest, first_));
        return std::move(*this);
    }
    /// No further try begins later than this after the first one failed, however many attempts are
    /// left. No limit unless set.
    auto within(std::chrono::milliseconds total) && -> retry_policy&& {
        total_ = detail::addable((std::max)(total, std::chrono::milliseconds(0)));
        return std::move(*this);
    }
    /// Exceptions for which `worth` says false go to the dead letter topic at once; where it throws
    /// itself, they are tried again.
    auto when(std::function<bool(std::exception_ptr)> worth) && -> retry_policy&& {
        worth_ = std::move(worth);
        return std::move(*this);
    }

    [[nodiscard]] auto attempts() const noexcept -> unsigned { return attempts_; }
    [[nodiscard]] auto exhausted(unsigned attempt) const noexcept -> bool {
        return attempt >= attempts_;
    }
    /// Whether a try that begins `after` the first one failed would be too late.
    [[nodiscard]] auto too_late(std::chrono::nanoseconds after) const noexcept -> bool {
        return after > total_;
    }
    [[nodiscard]] auto worth_retrying(const std::exception_ptr& thrown) const noexcept -> bool {
        try {
            return !worth_ || thrown == nullptr || worth_(thrown);
        } catch (...) { // it could not tell
            return true;
        }
    }
    /// The longest that the wait after failed attempt number `attempt` (1 for the first) can be.
    [[nodiscard]] auto longest_wait(unsigned attempt) const noexcept -> std::chrono::milliseconds {
        auto ceiling = first_;
        for (unsigned i = 1; i < attempt && ceiling < longest_; ++i) {
            ceiling *= 2;
        }
        return (std::min)(ceiling, longest_);
    }
    /// That wait, from 64 random bits.
    [[nodiscard]] auto wait(unsigned attempt, std::uint64_t random) const noexcept
        -> std::chrono::milliseconds {
        const auto range = static_cast<std::uint64_t>(longest_wait(attempt).count()) + 1;
        return std::chrono::milliseconds(static_cast<std::int64_t>(random % range));
    }

private:
    std::function<bool(std::exception_ptr)> worth_;
    std::chrono::milliseconds first_{100};
    std::chrono::milliseconds longest_{10000};
    std::chrono::nanoseconds total_ = (std::chrono::nanoseconds::max)();
    unsigned attempts_ = 5;
};

} // namespace cobus
