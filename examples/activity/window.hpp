#pragma once

#include <cobus/net.hpp>

#include <asio/experimental/channel.hpp>

#include <cstddef>
#include <system_error>

namespace activity {

/// Counts what is under way, and lets one coroutine wait until it is little enough. For use on one
/// thread.
class window {
public:
    explicit window(const cobus::net::any_io_executor& executor) : changed_(executor, 1) {}

    void enter() noexcept { ++count_; }
    void leave() {
        --count_;
        if (count_ <= wanted_) {
            changed_.try_send(std::error_code(), count_); // when one is there already, that will do
        }
    }
    [[nodiscard]] auto count() const noexcept -> std::size_t { return count_; }

    /// Completes when no more than `limit` are under way.
    [[nodiscard]] auto at_most(std::size_t limit) -> cobus::net::awaitable<void> {
        while (count_ > limit) {
            wanted_ = limit;
            co_await changed_.async_receive(cobus::net::use_awaitable);
        }
    }

private:
    asio::experimental::channel<void(std::error_code, std::size_t)> changed_;
    std::size_t count_ = 0;
    std::size_t wanted_ = 0;
};

} // namespace activity
