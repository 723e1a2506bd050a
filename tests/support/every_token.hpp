#pragma once

#include "as_tuple.hpp"

#include <cobus/bus.hpp>
#include <cobus/net.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/strand.hpp>
#include <asio/system_executor.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace cobus::test {

/// Counts what goes through it, to see whose allocator was used.
template <class T> class counting_allocator {
public:
    using value_type = T;

    explicit counting_allocator(std::shared_ptr<std::atomic<int>> count)
        : count_(std::move(count)) {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) : count_(other.count()) {} // NOLINT

    auto allocate(std::size_t n) -> T* {
        ++*count_;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* memory, std::size_t n) noexcept {
        std::allocator<T>().deallocate(memory, n);
    }
    [[nodiscard]] auto count() const -> const std::shared_ptr<std::atomic<int>>& { return count_; }

    template <class U> auto operator==(const counting_allocator<U>& other) const noexcept -> bool {
        return count_ == other.count();
    }

private:
    std::shared_ptr<std::atomic<int>> count_;
};

template <> class counting_allocator<void> {
public:
    using value_type = void;
    explicit counting_allocator(std::shared_ptr<std::atomic<int>> count)
        : count_(std::move(count)) {}
    template <class U> counting_allocator(const counting_allocator<U>& other)
        : count_(other.count()) {} // NOLINT
    template <class U> struct rebind {
        using other = counting_allocator<U>;
    };
    [[nodiscard]] auto count() const -> const std::shared_ptr<std::atomic<int>>& { return count_; }
    template <class U> auto operator==(const counting_allocator<U>& other) const noexcept -> bool {
        return count_ == other.count();
    }

private:
    std::shared_ptr<std::atomic<int>> count_;
};

/// A callback with an allocator of its own.
class allocating_callback {
public:
    using allocator_type = counting_allocator<void>;

    allocating_callback(std::shared_ptr<std::atomic<int>> count,
                        std::promise<std::error_code>& told)
        : count_(std::move(count)), told_(&told) {}
    [[nodiscard]] auto get_allocator() const noexcept -> allocator_type {
        return allocator_type(count_);
    }
    void operator()(std::error_code ec, const receipt& /*where*/) { told_->set_value(ec); }

private:
    std::shared_ptr<std::atomic<int>> count_;
    std::promise<std::error_code>* told_;
};

/// Publishes one event by each completion token, from a thread that is not the executor's.
template <class Event> class every_token {
public:
    using self = every_token;
    struct entry {
        std::string_view name;
        void (self::*publish)();
    };

    every_token(bus& into, net::any_io_executor executor, Event event, std::string topic)
        : bus_(into),
          executor_(std::move(executor)),
          event_(std::move(event)),
          topic_(std::move(topic)) {}

private:
    void by_future() { good(bus_.publish(event_, net::use_future).get()); }
    void by_callback() {
        std::promise<std::pair<std::thread::id, std::error_code>> told;
        bus_.publish(event_, [&](std::error_code ec, const receipt&) {
            told.set_value({std::this_thread::get_id(), ec});
        });
        const auto [where, ec] = told.get_future().get();
        CHECK_FALSE(ec);
        CHECK(where != std::this_thread::get_id());
    }
    void by_detached() { bus_.publish(event_, net::detached); }
    void by_awaitable() {
        const auto publish = [this]() -> net::awaitable<receipt> {
            const receipt where = co_await bus_.publish(event_);
            co_return where;
        };
        good(net::co_spawn(executor_, publish(), net::use_future).get());
    }
    void by_spawned() {
        auto short_lived = std::make_unique<Event>(event_);
        auto published = bus_.publish(*short_lived);
        short_lived.reset();
        good(net::co_spawn(executor_, std::move(published), net::use_future).get());
    }
    void by_as_tuple() {
        const auto publish = [this]() -> net::awaitable<receipt> {
            const auto told = co_await bus_.publish(event_, as_tuple(net::use_awaitable));
            CHECK_FALSE(std::get<0>(told));
            co_return std::get<1>(told);
        };
        good(net::co_spawn(executor_, publish(), net::use_future).get());
    }
    void by_redirect_error() {
        const auto publish = [this]() -> net::awaitable<receipt> {
            std::error_code ec = errc::fatal;
            const receipt where =
                co_await bus_.publish(event_, net::redirect_error(net::use_awaitable, ec));
            CHECK_FALSE(ec);
            co_return where;
        };
        good(net::co_spawn(executor_, publish(), net::use_future).get());
    }
    void by_bind_executor() {
        net::thread_pool other(1);
        std::promise<bool> told;
        bus_.publish(event_,
                     net::bind_executor(other.get_executor(), [&](std::error_code, const receipt&) {
                         told.set_value(other.get_executor().running_in_this_thread());
                     }));
        CHECK(told.get_future().get());
        other.join();
    }
    void by_allocator() {
        const auto count = std::make_shared<std::atomic<int>>(0);
        std::promise<std::error_code> told;
        bus_.publish(event_, allocating_callback(count, told));
        CHECK_FALSE(told.get_future().get());
        CHECK(*count > 0);
    }
    void by_slot() {
        net::cancellation_signal signal;
        std::promise<std::error_code> told;
        bus_.publish(event_, net::bind_cancellation_slot(
                                 signal.slot(),
                                 [&](std::error_code ec, const receipt&) { told.set_value(ec); }));
        CHECK_FALSE(told.get_future().get());
    }
    void by_or() {
        using namespace net::experimental::awaitable_operators;
        const auto publish = [this]() -> net::awaitable<std::size_t> {
            net::steady_timer patience(co_await net::this_coro::executor, std::chrono::minutes(1));
            const auto which =
                co_await (bus_.publish(event_) || patience.async_wait(net::use_awaitable));
            co_return which.index();
        };
        CHECK(net::co_spawn(executor_, publish(), net::use_future).get() == 0);
    }

    void good(const receipt& where) const { CHECK(where.topic() == topic_); }

    bus& bus_;
    net::any_io_executor executor_;
    Event event_;
    std::string topic_;

public:
    static constexpr std::array<entry, 11> all{{
        {"a future", &self::by_future},
        {"a callback, never inside the call", &self::by_callback},
        {"detached", &self::by_detached},
        {"an awaitable", &self::by_awaitable},
        {"a spawned awaitable, though the event is gone by then", &self::by_spawned},
        {"as_tuple", &self::by_as_tuple},
        {"redirect_error", &self::by_redirect_error},
        {"bind_executor", &self::by_bind_executor},
        {"an allocator of the handler's", &self::by_allocator},
        {"bind_cancellation_slot", &self::by_slot},
        {"operator ||", &self::by_or},
    }};
};

/// Runs the body with every kind of executor, named, and the threads that it needs behind it.
inline void
on_every_executor(const std::function<void(std::string_view, const net::any_io_executor&)>& body) {
    for (const std::size_t count : {1U, 4U}) {
        net::io_context context;
        auto work = net::make_work_guard(context);
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < count; ++i) {
            threads.emplace_back([&] { context.run(); });
        }
        body(count == 1 ? "an io_context with one thread" : "an io_context with four threads",
             context.get_executor());
        work.reset();
        for (auto& thread : threads) {
            thread.join();
        }
    }
    net::thread_pool pool(3);
    body("a thread pool", pool.get_executor());
    body("a strand", net::make_strand(pool));
    pool.join();
    body("the system executor", net::system_executor());
}

/// Stops a bus by each token that stops are given, the last two after its end.
inline void stop_by_callback_and_future(bus& what) {
    std::promise<std::error_code> stopped; // a callback may leave the result out
    what.stop(std::chrono::seconds(10), [&](std::error_code ec) { stopped.set_value(ec); });
    CHECK_FALSE(stopped.get_future().get());
    std::promise<stop_result> told;
    what.stop([&](std::error_code /*ec*/, stop_result how) { told.set_value(how); });
    CHECK(told.get_future().get().durable);
    CHECK(what.stop(net::use_future).get().left == 0);
}

} // namespace cobus::test
