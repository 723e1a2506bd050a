#pragma once

#include "../net.hpp"

#include <chrono>
#include <utility>

namespace cobus::detail {

/// One timer for everything that a bus has to do later. Home only.
class alarm {
public:
    using clock = std::chrono::steady_clock;

    explicit alarm(const net::any_io_executor& executor) : timer_(executor) {}

    /// Calls `wake` at `due`, unless it is set anew before.
    template <class Wake> void set(clock::time_point due, Wake wake) {
        if (due == due_) {
            return;
        }
        due_ = due;
        if (due == (clock::time_point::max)()) {
            timer_.cancel();
            return;
        }
        timer_.expires_at(due);
        timer_.async_wait([wake = std::move(wake)](const std::error_code& ec) {
            if (!ec) {
                wake();
            }
        });
    }
    /// It rang: the same time may be set again.
    void rang(clock::time_point now) noexcept {
        if (due_ <= now) {
            due_ = (clock::time_point::max)();
        }
    }

private:
    net::steady_timer timer_;
    clock::time_point due_ = (clock::time_point::max)();
};

} // namespace cobus::detail
