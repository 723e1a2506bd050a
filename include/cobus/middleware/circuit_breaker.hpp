#pragma once

#include "../detail/far_future.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <utility>

namespace cobus {

/// When a handler is not called for a while, because what it needs is down. While the breaker is
/// open the handler's lanes wait and no attempts are used up; then a probe is let through, and its
/// success closes the breaker.
///
/// What counts as a failure: an exception worth retrying, `outcome::retry`, and a time limit. What
/// goes to the dead letters counts as nothing: the event is to blame.
class breaker_policy {
public:
    breaker_policy() {} // not an aggregate, for GCC 12

    /// Failures in a row that open it, at least 1. Default 5.
    auto failures(unsigned in_a_row) && -> breaker_policy&& {
        failures_ = (std::max)(in_a_row, 1U);
        return std::move(*this);
    }
    /// Opens it also when that many of the last `of` runs failed, `of` from 1 to 64. Not unless
    /// set.
    auto failures(unsigned count, unsigned of) && -> breaker_policy&& {
        window_ = (std::clamp)(of, 1U, 64U);
        most_in_window_ = (std::clamp)(count, 1U, window_);
        return std::move(*this);
    }
    /// How long it stays open; each probe that fails doubles that, up to `longest`. Default 1 s
    /// and 1 min.
    auto open_for(std::chrono::milliseconds first,
                  std::chrono::milliseconds longest) && -> breaker_policy&& {
        first_ = detail::addable((std::max)(first, std::chrono::milliseconds(1)));
        longest_ = detail::addable((std::max)(longest, first_));
        return std::move(*this);
    }
    /// Runs that are let through at once after that time, and must all succeed, 1 to 255. Default
    /// 1.
    auto probes(unsigned count) && -> breaker_policy&& {
        probes_ = (std::clamp)(count, 1U, 255U);
        return std::move(*this);
    }

    [[nodiscard]] auto failures() const noexcept -> unsigned { return failures_; }
    [[nodiscard]] auto window() const noexcept -> unsigned { return window_; }
    [[nodiscard]] auto most_in_window() const noexcept -> unsigned { return most_in_window_; }
    [[nodiscard]] auto first() const noexcept -> std::chrono::milliseconds { return first_; }
    [[nodiscard]] auto longest() const noexcept -> std::chrono::milliseconds { return longest_; }
    [[nodiscard]] auto probes() const noexcept -> unsigned { return probes_; }

private:
    std::chrono::milliseconds first_{1000};
    std::chrono::milliseconds longest_{60000};
    unsigned failures_ = 5;
    unsigned window_ = 0;
    unsigned most_in_window_ = 0;
    unsigned probes_ = 1;
};

namespace detail {

/// The state machine of a breaker. Pure.
class circuit_breaker {
public:
    using time_point = std::chrono::steady_clock::time_point;
    enum class state : unsigned char { closed, open, half_open };
    enum class verdict : unsigned char { good, bad, neither };

    explicit circuit_breaker(const breaker_policy& how) noexcept : how_(how), wait_(how.first()) {}

    [[nodiscard]] auto now_is() const noexcept -> state { return state_; }
    [[nodiscard]] auto wait() const noexcept -> std::chrono::milliseconds { return wait_; }

    /// When the next run may begin; `max` until a probe has ended.
    [[nodiscard]] auto opens() const noexcept -> time_point {
        switch (state_) {
        case state::open:
            return until_;
        case state::half_open:
            return probing_ + passed_ < how_.probes() ? (time_point::min)() : (time_point::max)();
        case state::closed:
            break;
        }
        return (time_point::min)();
    }
    /// A run begins, which `opens` allowed. Returns its round: 0 for one that is no probe.
    [[nodiscard]] auto begun() noexcept -> std::uint8_t {
        if (state_ == state::closed) {
            return 0;
        }
        if (state_ == state::open) {
            state_ = state::half_open;
            probing_ = 0;
            passed_ = 0;
            round_ = round_ == 255 ? std::uint8_t{1} : static_cast<std::uint8_t>(round_ + 1);
        }
        ++probing_;
        return round_;
    }
    /// It ended. True: the breaker opened or closed by it. What began before the breaker opened
    /// says nothing about now.
    auto ended(std::uint8_t round, verdict how, time_point now) noexcept -> bool {
        if (state_ == state::closed) {
            return round == 0 && how != verdict::neither && count(how == verdict::bad, now);
        }
        if (state_ == state::open || round != round_) {
            return false;
        }
        --probing_;
        if (how == verdict::bad) {
            wait_ = (std::min)(wait_ * 2, how_.longest());
            open(now);
            return true;
        }
        passed_ += how == verdict::good ? 1 : 0;
        if (passed_ < how_.probes()) {
            return false;
        }
        state_ = state::closed;
        wait_ = how_.first();
        in_a_row_ = 0;
        history_ = 0;
        return true;
    }

private:
    auto count(bool failed, time_point now) noexcept -> bool {
        in_a_row_ = failed ? in_a_row_ + 1 : 0;
        bool too_many = in_a_row_ >= how_.failures();
        if (how_.window() > 0) {
            const std::uint64_t kept = ~std::uint64_t{0} >> (64U - how_.window());
            history_ = ((history_ << 1U) | (failed ? 1U : 0U)) & kept;
            too_many =
                too_many || static_cast<unsigned>(std::popcount(history_)) >= how_.most_in_window();
        }
        if (too_many) {
            open(now);
        }
        return too_many;
    }
    void open(time_point now) noexcept {
        state_ = state::open;
        until_ = now + wait_;
    }

    breaker_policy how_;
    std::chrono::milliseconds wait_;
    time_point until_{};
    std::uint64_t history_ = 0; ///< a bit for each of the last runs: it failed
    unsigned in_a_row_ = 0;
    unsigned probing_ = 0;
    unsigned passed_ = 0;
    std::uint8_t round_ = 0;
    state state_ = state::closed;
};

} // namespace detail
} // namespace cobus
