#pragma once

#include "../net.hpp"
#include "../time_source.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

namespace cobus::testing {

/// A clock that stands still until a test moves it, so that hours pass in no time. Give it to a bus
/// by `settings::time`; `bus_fixture` does.
///
/// It starts at the real time and counts on from there. Thread safety: any thread may call
/// anything; what rings, rings within `advance`, on its thread.
class virtual_clock final : public time_source, public std::enable_shared_from_this<virtual_clock> {
public:
    /// Always in a shared pointer: bells keep their clock.
    [[nodiscard]] static auto make() -> std::shared_ptr<virtual_clock> {
        return std::shared_ptr<virtual_clock>(new virtual_clock);
    }

    [[nodiscard]] auto now() const noexcept -> clock::time_point override {
        const std::lock_guard lock(guard_);
        return now_;
    }
    [[nodiscard]] auto wall() const noexcept -> time_point override {
        const std::lock_guard lock(guard_);
        return wall_ + std::chrono::floor<std::chrono::milliseconds>(now_ - start_);
    }
    [[nodiscard]] auto make_bell() -> std::unique_ptr<bell> override {
        return std::make_unique<virtual_bell>(shared_from_this());
    }

    /// Says what time of day it is now.
    void set_wall(time_point now) {
        const std::lock_guard lock(guard_);
        wall_ = now - std::chrono::floor<std::chrono::milliseconds>(now_ - start_);
    }
    /// How long this clock has been running.
    [[nodiscard]] auto passed() const noexcept -> clock::duration {
        const std::lock_guard lock(guard_);
        return now_ - start_;
    }
    /// When something rings next; the greatest time when nothing will.
    [[nodiscard]] auto next() const noexcept -> clock::time_point {
        const std::lock_guard lock(guard_);
        return bells_.empty() ? (clock::time_point::max)() : bells_.begin()->first.first;
    }
    /// Moves the clock on to `when`, ringing what is due on the way, each at its time.
    void advance_to(clock::time_point when) {
        while (std::function<void()> ring = take(when)) {
            ring();
        }
        const std::lock_guard lock(guard_);
        now_ = (std::max)(now_, when);
    }

    /// Waits for that long on this clock: for handlers and fakes that take their time.
    /// Errors: `operation_aborted`. Cancellation: any type.
    [[nodiscard]] auto sleep(clock::duration time) -> net::awaitable<void> {
        return wait(shared_from_this(), time);
    }

private:
    using key = std::pair<clock::time_point, std::uint64_t>; // equal times ring as they were set

    class virtual_bell final : public bell {
    public:
        explicit virtual_bell(std::shared_ptr<virtual_clock> of) noexcept : of_(std::move(of)) {}
        ~virtual_bell() override { of_->remove(at_); }
        void set(clock::time_point due, std::function<void()> ring) override {
            of_->remove(at_);
            at_ = of_->add(due, std::move(ring));
        }
        void cancel() noexcept override { of_->remove(at_); }

    private:
        std::shared_ptr<virtual_clock> of_;
        key at_;
    };

    virtual_clock() = default;

    [[nodiscard]] auto add(clock::time_point due, std::function<void()> ring) -> key {
        const std::lock_guard lock(guard_);
        const key at(due, ++count_);
        bells_.emplace(at, std::move(ring));
        return at;
    }
    void remove(const key& which) noexcept {
        std::function<void()> unwanted; // destroyed outside of the lock
        const std::lock_guard lock(guard_);
        if (const auto found = bells_.find(which); found != bells_.end()) {
            unwanted = std::move(found->second);
            bells_.erase(found);
        }
    }
    /// The next that is due by then, at its time; an empty one when there is none.
    [[nodiscard]] auto take(clock::time_point until) -> std::function<void()> {
        const std::lock_guard lock(guard_);
        if (bells_.empty() || bells_.begin()->first.first > until) {
            return {};
        }
        now_ = (std::max)(now_, bells_.begin()->first.first);
        std::function<void()> ring = std::move(bells_.begin()->second);
        bells_.erase(bells_.begin());
        return ring;
    }
    static auto wait(std::shared_ptr<virtual_clock> self, clock::duration time)
        -> net::awaitable<void> {
        const auto timer = std::make_shared<net::steady_timer>(co_await net::this_coro::executor,
                                                               (clock::time_point::max)());
        const std::unique_ptr<bell> alarm = self->make_bell();
        bool rang = false;
        alarm->set(self->now() + time, [timer, &rang] {
            rang = true;
            timer->cancel();
        });
        std::error_code ec;
        auto token = net::redirect_error(net::use_awaitable, ec);
        co_await timer->async_wait(token);
        if (!rang) {
            throw std::system_error(make_error_code(net::error::operation_aborted));
        }
    }

    mutable std::mutex guard_;
    clock::time_point start_ = clock::now();
    clock::time_point now_ = start_;
    time_point wall_ =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    std::map<key, std::function<void()>> bells_;
    std::uint64_t count_ = 0;
};

} // namespace cobus::testing
