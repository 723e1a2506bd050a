#pragma once

#include <cobus/net.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <exception>
#include <functional>
#include <stdexcept>
#include <utility>

namespace cobus::test {

/// Runs a coroutine on a context until the context has nothing left to do. What it throws fails the
/// test; so does a context that still has work after `patience`.
inline void run(net::io_context& context, std::function<net::awaitable<void>()> body,
                std::chrono::seconds patience = std::chrono::seconds(60)) {
    std::exception_ptr thrown;
    bool over = false;
    net::co_spawn(context, body(), [&](std::exception_ptr error) {
        thrown = std::move(error);
        over = true;
    });
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (context.run_one_until(deadline) != 0) {
        if (thrown) {
            break;
        }
    }
    if (thrown) {
        std::rethrow_exception(thrown);
    }
    REQUIRE_MESSAGE(over, "the coroutine did not end");
    REQUIRE_MESSAGE(context.stopped(), "something still keeps the context busy");
}

/// Waits for something that has no event of its own to await; gives up after `patience`.
inline auto until(std::function<bool()> condition,
                  std::chrono::seconds patience = std::chrono::seconds(30))
    -> net::awaitable<void> {
    net::steady_timer pause(co_await net::this_coro::executor);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            throw std::runtime_error("what was waited for did not happen");
        }
        pause.expires_after(std::chrono::milliseconds(1));
        co_await pause.async_wait(net::use_awaitable);
    }
}

} // namespace cobus::test
