#pragma once

#include "event.hpp"
#include "ring.hpp"
#include "task.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

/// Programs that carry events from one publisher to some handlers on one thread, as cheaply as a
/// few lines can. Each `run` carries `count` events and returns what the handlers added up.
namespace floors {

/// Whether a handler returns at once or suspends once.
enum class handling : unsigned char { at_once, suspends };

template <class Coroutine>
using handler_of = std::function<Coroutine(const event&)>;

/// Suspends a task once; one post resumes it.
struct pause {
    asio::io_context& io;

    auto await_ready() const noexcept -> bool { return false; }
    void await_suspend(std::coroutine_handle<> self) const {
        asio::post(io, [self] { self.resume(); });
    }
    void await_resume() const noexcept {}
};

/// Handlers that are tasks of our own.
[[nodiscard]] inline auto task_handlers(asio::io_context& io, std::size_t count, handling how,
                                        std::uint64_t& sum) -> std::vector<handler_of<task>> {
    handler_of<task> one = [&sum](const event& what) -> task {
        sum += worth(what);
        co_return;
    };
    if (how == handling::suspends) {
        one = [&sum, &io](const event& what) -> task {
            co_await pause{io};
            sum += worth(what);
        };
    }
    return std::vector<handler_of<task>>(count, one);
}

/// Handlers as users write them.
[[nodiscard]] inline auto awaitable_handlers(std::size_t count, handling how, std::uint64_t& sum)
    -> std::vector<handler_of<asio::awaitable<void>>> {
    handler_of<asio::awaitable<void>> one = [&sum](const event& what) -> asio::awaitable<void> {
        sum += worth(what);
        co_return;
    };
    if (how == handling::suspends) {
        one = [&sum](const event& what) -> asio::awaitable<void> {
            co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
            sum += worth(what);
        };
    }
    return std::vector<handler_of<asio::awaitable<void>>>(count, one);
}

/// No queue: the publisher awaits each handler.
class direct_tasks {
public:
    static auto run(std::size_t count, std::size_t handlers, handling how) -> std::uint64_t {
        asio::io_context io(1);
        std::uint64_t sum = 0;
        const auto all = task_handlers(io, handlers, how, sum);
        const task publisher = publish(all, count);
        publisher.start();
        io.run();
        return sum;
    }

private:
    static auto publish(const std::vector<handler_of<task>>& all, std::size_t count) -> task {
        static const std::vector<event> events = make_events();
        for (std::size_t i = 0; i < count; ++i) {
            const event& what = events[i % events.size()];
            for (const auto& handle : all) {
                co_await handle(what);
            }
        }
    }
};

class direct_awaitables {
public:
    static auto run(std::size_t count, std::size_t handlers, handling how) -> std::uint64_t {
        asio::io_context io(1);
        std::uint64_t sum = 0;
        const auto all = awaitable_handlers(handlers, how, sum);
        asio::co_spawn(io, publish(all, count), asio::detached);
        io.run();
        return sum;
    }

private:
    static auto publish(const std::vector<handler_of<asio::awaitable<void>>>& all,
                        std::size_t count) -> asio::awaitable<void> {
        static const std::vector<event> events = make_events();
        for (std::size_t i = 0; i < count; ++i) {
            const event& what = events[i % events.size()];
            for (const auto& handle : all) {
                co_await handle(what);
            }
        }
    }
};

/// Own ring, own tasks: the floor.
class ring_of_tasks {
public:
    /// `waits`: the publisher goes on only when the handlers of its event are through.
    static auto run(std::size_t count, std::size_t handlers, handling how, bool waits)
        -> std::uint64_t {
        asio::io_context io(1);
        std::uint64_t sum = 0;
        ring_of_tasks self(io, task_handlers(io, handlers, how, sum));
        const task consumer = self.consume();
        consumer.start();
        const task publisher = waits ? self.publish_and_wait(count) : self.publish(count);
        publisher.start();
        io.run();
        return sum;
    }

private:
    ring_of_tasks(asio::io_context& io, std::vector<handler_of<task>> all)
        : events_(make_events()),
          handlers_(std::move(all)),
          ring_(io, [this] { sleeper_.resume(); }) {}

    struct more {
        ring_of_tasks& self;

        auto await_ready() const noexcept -> bool { return false; }
        auto await_suspend(std::coroutine_handle<> consumer) const -> std::coroutine_handle<> {
            self.sleeper_ = consumer;
            return self.ring_.sleep();
        }
        void await_resume() const noexcept {}
    };

    auto consume() -> task {
        for (;;) {
            while (!ring_.empty()) {
                for (const auto& handle : handlers_) {
                    co_await handle(ring_.front());
                }
                ring_.pop();
            }
            co_await more{*this};
        }
    }
    auto publish(std::size_t count) -> task {
        for (std::size_t i = 0; i < count; ++i) {
            co_await ring::put{ring_, events_[i % events_.size()]};
        }
    }
    auto publish_and_wait(std::size_t count) -> task {
        for (std::size_t i = 0; i < count; ++i) {
            co_await ring::put_and_wait{ring_, events_[i % events_.size()], sleeper_};
        }
    }

    std::vector<event> events_;
    std::vector<handler_of<task>> handlers_;
    std::coroutine_handle<> sleeper_;
    ring ring_;
};

/// Own ring, handlers as users write them, in one long-lived `asio::awaitable`.
class ring_of_awaitables {
public:
    static auto run(std::size_t count, std::size_t handlers, handling how) -> std::uint64_t {
        asio::io_context io(1);
        std::uint64_t sum = 0;
        ring_of_awaitables self(io, awaitable_handlers(handlers, how, sum));
        asio::co_spawn(io, self.consume(count), asio::detached);
        const task publisher = self.publish(count);
        publisher.start();
        io.run();
        return sum;
    }

private:
    using wake_handler = asio::async_result<asio::use_awaitable_t<>, void()>::handler_type;

    ring_of_awaitables(asio::io_context& io, std::vector<handler_of<asio::awaitable<void>>> all)
        : events_(make_events()), handlers_(std::move(all)), ring_(io, [this] { wake(); }) {}

    void wake() {
        wake_handler resume = std::move(*sleeper_);
        sleeper_.reset();
        std::move(resume)();
    }
    auto more() -> asio::awaitable<void> {
        return asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
            [this](wake_handler resume) {
                sleeper_.emplace(std::move(resume));
                ring_.sleep().resume();
            },
            asio::use_awaitable);
    }

    auto consume(std::size_t count) -> asio::awaitable<void> {
        while (count != 0) {
            for (; !ring_.empty(); --count) {
                for (const auto& handle : handlers_) {
                    co_await handle(ring_.front());
                }
                ring_.pop();
            }
            if (count != 0) {
                co_await more();
            }
        }
    }
    auto publish(std::size_t count) -> task {
        for (std::size_t i = 0; i < count; ++i) {
            co_await ring::put{ring_, events_[i % events_.size()]};
        }
    }

    std::vector<event> events_;
    std::vector<handler_of<asio::awaitable<void>>> handlers_;
    std::optional<wake_handler> sleeper_;
    ring ring_;
};

/// One of Asio's channels, handlers as users write them.
template <template <class...> class Channel>
class asio_channel {
public:
    static auto run(std::size_t count, std::size_t handlers) -> std::uint64_t {
        asio::io_context io(1);
        std::uint64_t sum = 0;
        const auto all = awaitable_handlers(handlers, handling::at_once, sum);
        carrier between(io, ring::capacity);
        asio::co_spawn(io, consume(between, all, count), asio::detached);
        asio::co_spawn(io, publish(between, count), asio::detached);
        io.run();
        return sum;
    }

private:
    using carrier = Channel<void(asio::error_code, event)>;

    static auto consume(carrier& from, const std::vector<handler_of<asio::awaitable<void>>>& all,
                        std::size_t count) -> asio::awaitable<void> {
        for (std::size_t i = 0; i < count; ++i) {
            const event what = co_await from.async_receive(asio::use_awaitable);
            for (const auto& handle : all) {
                co_await handle(what);
            }
        }
    }
    static auto publish(carrier& to, std::size_t count) -> asio::awaitable<void> {
        const std::vector<event> events = make_events();
        for (std::size_t i = 0; i < count; ++i) {
            const event& what = events[i % events.size()];
            co_await to.async_send(asio::error_code(), what, asio::use_awaitable);
        }
    }
};

} // namespace floors
