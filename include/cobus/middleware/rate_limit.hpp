#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace cobus {

/// How often a handler is called at most: `rate_limit(100, 1s)`. What comes faster waits in its
/// lanes, which costs a timer and neither a worker nor an attempt.
class rate_limit {
public:
    /// `events` in each `per`, evenly. Not for less than one event in a day, nor more than one in a
    /// nanosecond.
    rate_limit(std::uint64_t events, std::chrono::nanoseconds per) noexcept
        : interval_(interval_of(events, per)), burst_(burst_of(interval_)) {}

    /// Events that may come at once after a pause, at least 1. Unless set: what 10 ms bring.
    auto burst(std::uint64_t events) && -> rate_limit&& {
        burst_ = (std::max)(events, std::uint64_t{1});
        return std::move(*this);
    }

    [[nodiscard]] auto interval() const noexcept -> std::chrono::nanoseconds { return interval_; }
    [[nodiscard]] auto burst() const noexcept -> std::uint64_t { return burst_; }

private:
    using nanoseconds = std::chrono::nanoseconds;

    [[nodiscard]] static auto interval_of(std::uint64_t events, nanoseconds per) noexcept
        -> nanoseconds {
        const auto count = static_cast<std::int64_t>(
            (std::clamp)(events, std::uint64_t{1}, std::uint64_t{1} << 62U));
        const nanoseconds each = per / count + nanoseconds(per.count() % count != 0 ? 1 : 0);
        return (std::clamp)(each, nanoseconds(1), nanoseconds(std::chrono::hours(24)));
    }
    [[nodiscard]] static auto burst_of(nanoseconds interval) noexcept -> std::uint64_t {
        const auto lump = nanoseconds(std::chrono::milliseconds(10)) / interval;
        return static_cast<std::uint64_t>((std::max)(lump, std::int64_t{1}));
    }

    nanoseconds interval_;
    std::uint64_t burst_;
};

namespace detail {

/// A token bucket, kept as the time at which it would be full again (the generic cell rate
/// algorithm, ITU-T I.371). Pure.
class token_bucket {
public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit token_bucket(const rate_limit& how) noexcept : interval_(how.interval()) {
        constexpr auto longest = std::chrono::nanoseconds(std::chrono::hours(24 * 365));
        const auto most = static_cast<std::uint64_t>(longest / interval_);
        slack_ = interval_ * static_cast<std::int64_t>((std::min)(how.burst() - 1, most));
    }

    /// When there is a token.
    [[nodiscard]] auto opens() const noexcept -> time_point {
        return full_ == (time_point::min)() ? full_ : full_ - slack_;
    }
    /// Takes tokens, which `opens` allowed. More than there are is a debt, so that a batch larger
    /// than the burst is paid off by waiting after it.
    void take(std::size_t tokens, time_point now) noexcept {
        full_ = (std::max)(full_, now) + interval_ * static_cast<std::int64_t>(tokens);
    }

private:
    std::chrono::nanoseconds interval_;
    std::chrono::nanoseconds slack_{};
    time_point full_ = (time_point::min)();
};

} // namespace detail
} // namespace cobus
