#pragma once

#include "../dispatch/registration.hpp"
#include "../error.hpp"
#include "../state.hpp"
#include "../transport/transport.hpp"
#include "completion.hpp"
#include "queue.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

namespace cobus::detail {

/// Who follows the state of a bus: those that wait for one, and a function that hears of each. Is
/// woken by the transport; asks and wakes come from any thread, the rest from the home.
class state_watch final : public waker {
public:
    using waiter = completion<std::error_code>;
    using listener = std::function<void(const health&)>;

    state_watch(dispatch_host& home, listener told) : home_(&home), told_(std::move(told)) {}

    void wake() noexcept override {
        news_.store(true, std::memory_order_release);
        home_->wake();
    }
    /// The caller wakes the home.
    void ask(state wanted, waiter& who) {
        {
            const std::lock_guard lock(guard_);
            waiting_[index(wanted)].push(who);
        }
        news_.store(true, std::memory_order_release);
    }
    [[nodiscard]] auto has_news() noexcept -> bool {
        return news_.load(std::memory_order_relaxed) &&
               news_.exchange(false, std::memory_order_acq_rel);
    }
    /// Those that wait for that state; the listener hears of it, if it is another one.
    [[nodiscard]] auto take(const health& now) -> queue<waiter> {
        if (last_ != now.what) {
            last_ = now.what;
            tell(now);
        }
        const std::lock_guard lock(guard_);
        return std::exchange(waiting_[index(now.what)], queue<waiter>());
    }
    /// All of them.
    template <class End> void end(End each_queue) {
        for (queue<waiter>& each : waiting_) {
            queue<waiter> some;
            {
                const std::lock_guard lock(guard_);
                some = std::exchange(each, queue<waiter>());
            }
            each_queue(some);
        }
    }

private:
    /// What it throws must not keep those from hearing that wait.
    void tell(const health& now) noexcept {
        try {
            if (told_) {
                told_(now);
            }
        } catch (...) {
            home_->log(log_level::error, "the function of settings.on_state threw an exception");
        }
    }
    [[nodiscard]] static auto index(state which) noexcept -> std::size_t {
        return static_cast<std::size_t>(which);
    }

    dispatch_host* home_;
    listener told_;
    std::atomic<bool> news_{false};
    std::optional<state> last_;
    std::mutex guard_;
    std::array<queue<waiter>, 6> waiting_;
};

} // namespace cobus::detail
