#pragma once

#include <cobus/net.hpp>

#include <chrono>
#include <system_error>
#include <utility>

namespace activity {

/// Lets one coroutine sleep for a while, or until it is woken; being woken before counts as well.
/// For one thread.
class sleeper {
public:
    explicit sleeper(const cobus::net::any_io_executor& executor) : timer_(executor) {}

    [[nodiscard]] auto sleep(std::chrono::milliseconds longest) -> cobus::net::awaitable<void> {
        if (!woken_) {
            std::error_code woken;
            timer_.expires_after(longest);
            co_await timer_.async_wait(
                cobus::net::redirect_error(cobus::net::use_awaitable, woken));
        }
        woken_ = false;
    }
    void wake() {
        woken_ = true;
        timer_.cancel();
    }

private:
    cobus::net::steady_timer timer_;
    bool woken_ = false;
};

} // namespace activity
