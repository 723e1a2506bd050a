#pragma once

#include "../net.hpp"
#include "../time_source.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace cobus::detail {

/// One timer for everything that somebody has to do later. One thread at a time.
class alarm {
public:
    using clock = std::chrono::steady_clock;

    /// On the executor's clock, or on `time` where there is one.
    alarm(const net::any_io_executor& executor, const std::shared_ptr<time_source>& time)
        : time_(time) {
        if (time_ != nullptr) {
            bell_ = time_->make_bell();
        } else {
            timer_.emplace(executor);
        }
    }

    /// Calls `wake` at `due`, unless it is set anew before.
    template <class Wake> void set(clock::time_point due, Wake wake) {
        if (due == due_) {
            return;
        }
        if (due == (clock::time_point::max)()) {
            cancel();
            return;
        }
        due_ = due;
        if (bell_ != nullptr) {
            bell_->set(due, std::move(wake));
            return;
        }
        timer_->expires_at(due);
        timer_->async_wait([wake = std::move(wake)](const std::error_code& ec) {
            if (!ec) {
                wake();
            }
        });
    }
    void cancel() {
        due_ = (clock::time_point::max)();
        if (bell_ != nullptr) {
            bell_->cancel();
        } else {
            timer_->cancel();
        }
    }
    /// It rang: the same time may be set again.
    void rang(clock::time_point now) noexcept {
        if (due_ <= now) {
            due_ = (clock::time_point::max)();
        }
    }

private:
    std::shared_ptr<time_source> time_;
    std::unique_ptr<time_source::bell> bell_;
    std::optional<net::steady_timer> timer_;
    clock::time_point due_ = (clock::time_point::max)();
};

} // namespace cobus::detail
