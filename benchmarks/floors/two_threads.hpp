#pragma once

#include "in_process.hpp"

#include <asio/executor_work_guard.hpp>
#include <asio/experimental/concurrent_channel.hpp>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace floors {

/// A bounded ring under a mutex: the publisher on one thread, the handlers on another, each side
/// woken by one post when it sleeps. The consumer takes up to `Batch` events under one lock.
template <std::size_t Batch>
class mutex_ring {
public:
    static auto run(std::size_t count, std::size_t handlers) -> std::uint64_t {
        asio::io_context here(1), there(1);
        std::uint64_t sum = 0;
        mutex_ring self(here, there, task_handlers(there, handlers, handling::at_once, sum), count);
        const task consumer = self.consume();
        const task publisher = self.publish();
        self.stay_.emplace(here.get_executor());
        std::thread other([&] {
            const auto guard = asio::make_work_guard(there);
            consumer.start();
            there.run();
        });
        publisher.start();
        here.run();
        other.join();
        return sum;
    }

private:
    static constexpr std::size_t capacity = 1024;

    mutex_ring(asio::io_context& here, asio::io_context& there,
               std::vector<handler_of<task>> handlers, std::size_t count)
        : here_(here), there_(there), handlers_(std::move(handlers)), count_(count) {}

    struct put {
        mutex_ring& to;
        const event& what;

        auto await_ready() const noexcept -> bool { return false; }
        auto await_suspend(std::coroutine_handle<> publisher) const -> bool {
            const std::lock_guard lock(to.mutex_);
            if (to.written_ - to.read_ == capacity) {
                to.publisher_ = publisher;
                to.late_ = &what;
                return true;
            }
            to.write(what);
            return false;
        }
        void await_resume() const noexcept {}
    };

    /// Takes up to a batch; suspends the consumer while there is nothing.
    struct take {
        mutex_ring& from;
        std::array<event, Batch>& room;
        std::size_t count = 0;

        auto await_ready() const noexcept -> bool { return false; }
        auto await_suspend(std::coroutine_handle<> consumer) -> bool {
            const std::lock_guard lock(from.mutex_);
            if (from.read_ == from.written_) {
                from.consumer_ = consumer;
                return true;
            }
            read();
            return false;
        }
        auto await_resume() -> std::size_t {
            if (count == 0) {
                const std::lock_guard lock(from.mutex_);
                read();
            }
            return count;
        }
        void read() {
            while (count < Batch && from.read_ != from.written_) {
                std::swap(room[count++], from.slots_[from.read_++ % capacity]);
            }
            if (from.publisher_ && from.written_ - from.read_ <= capacity / 2) {
                from.write(*from.late_);
                asio::post(from.here_, [publisher = std::exchange(from.publisher_, nullptr)] {
                    publisher.resume();
                });
            }
        }
    };

    void write(const event& what) {
        slots_[written_++ % capacity] = what;
        if (consumer_) {
            asio::post(there_,
                       [consumer = std::exchange(consumer_, nullptr)] { consumer.resume(); });
        }
    }

    auto publish() -> task {
        const std::vector<event> events = make_events();
        for (std::size_t i = 0; i < count_; ++i) {
            co_await put{*this, events[i % events.size()]};
        }
    }
    auto consume() -> task {
        std::array<event, Batch> room;
        for (std::size_t handled = 0; handled < count_;) {
            const std::size_t taken = co_await take{*this, room};
            for (std::size_t i = 0; i < taken; ++i) {
                for (const auto& handle : handlers_) {
                    co_await handle(room[i]);
                }
            }
            handled += taken;
        }
        there_.stop();
        stay_.reset();
    }

    asio::io_context& here_;
    asio::io_context& there_;
    std::vector<handler_of<task>> handlers_;
    std::size_t count_;
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> stay_;
    std::mutex mutex_;
    std::array<event, capacity> slots_{};
    std::size_t read_ = 0, written_ = 0;
    std::coroutine_handle<> consumer_, publisher_;
    const event* late_ = nullptr;
};

/// Asio's thread-safe channel between two threads.
class channel_across_threads {
public:
    static auto run(std::size_t count, std::size_t handlers) -> std::uint64_t {
        asio::io_context here(1), there(1);
        std::uint64_t sum = 0;
        const auto all = awaitable_handlers(handlers, handling::at_once, sum);
        carrier between(there, 1024);
        asio::co_spawn(there, consume(between, all, count), asio::detached);
        asio::co_spawn(here, publish(between, count), asio::detached);
        std::thread other([&] { there.run(); });
        here.run();
        other.join();
        return sum;
    }

private:
    using carrier = asio::experimental::concurrent_channel<void(asio::error_code, event)>;

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
