#pragma once

#include <cobus/bus.hpp>

#include <asio.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <vector>

namespace bench {

/// One of those that publish at the same time: takes the next until all are taken.
template <class Event>
auto publish_some(cobus::bus& bus, const std::vector<Event>& events, std::size_t& left)
    -> asio::awaitable<void> {
    while (left != 0) {
        co_await bus.publish(events[--left % events.size()]);
    }
}

/// Publishes `count` events, `window` at the same time.
template <class Event>
auto publish_all(cobus::bus& bus, const std::vector<Event>& events, std::size_t count,
                 std::size_t window) -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer all_done(executor, asio::steady_timer::time_point::max());
    std::size_t left = count, running = std::min(count, window);
    const auto ended = [&](const std::exception_ptr& problem) {
        if (problem) {
            std::rethrow_exception(problem);
        }
        if (--running == 0) {
            all_done.cancel();
        }
    };
    for (std::size_t i = running; i != 0; --i) {
        asio::co_spawn(executor, publish_some(bus, events, left), ended);
    }
    asio::error_code ignored;
    co_await all_done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

} // namespace bench
