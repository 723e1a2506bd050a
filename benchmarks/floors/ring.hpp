#pragma once

#include "event.hpp"

#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <array>
#include <coroutine>
#include <cstddef>
#include <functional>
#include <utility>

namespace floors {

/// A bounded ring between one publisher and one consumer on one thread. The consumer is woken by
/// one post for all that is published until it runs; a full ring suspends the publisher, which the
/// consumer resumes when the ring is empty.
class ring {
public:
    static constexpr std::size_t capacity = 64;

    /// `wake` resumes the consumer that sleeps.
    ring(asio::io_context& io, std::function<void()> wake) : io_(io), wake_(std::move(wake)) {}

    [[nodiscard]] auto empty() const noexcept -> bool { return read_ == written_; }
    [[nodiscard]] auto front() const noexcept -> const event& { return slots_[read_ % capacity]; }
    void pop() noexcept { ++read_; }

    /// Puts a copy of an event; suspends the publisher while there is no room.
    struct put {
        ring& to;
        const event& what;

        auto await_ready() const -> bool {
            if (to.written_ - to.read_ == capacity) {
                return false;
            }
            to.write(what);
            to.wake_later();
            return true;
        }
        void await_suspend(std::coroutine_handle<> publisher) const noexcept {
            to.publisher_ = publisher;
            to.late_ = &what;
        }
        void await_resume() const noexcept {}
    };

    /// Puts a copy of an event, goes on with the consumer, and is resumed when that is through.
    struct put_and_wait {
        ring& to;
        const event& what;
        std::coroutine_handle<>& consumer;

        auto await_ready() const noexcept -> bool { return false; }
        auto await_suspend(std::coroutine_handle<> publisher) const -> std::coroutine_handle<> {
            to.write(what);
            to.publisher_ = publisher;
            to.asleep_ = false;
            return consumer;
        }
        void await_resume() const noexcept {}
    };

    /// The consumer found nothing and sleeps; says what to resume meanwhile.
    [[nodiscard]] auto sleep() -> std::coroutine_handle<> {
        asleep_ = true;
        if (late_ != nullptr) {
            write(*std::exchange(late_, nullptr));
            wake_later();
        }
        return publisher_ ? std::exchange(publisher_, nullptr) : std::noop_coroutine();
    }

private:
    void write(const event& what) { slots_[written_++ % capacity] = what; }
    void wake_later() {
        if (std::exchange(asleep_, false)) {
            asio::post(io_, [this] { wake_(); });
        }
    }

    asio::io_context& io_;
    std::function<void()> wake_;
    std::array<event, capacity> slots_{};
    std::size_t read_ = 0, written_ = 0;
    std::coroutine_handle<> publisher_;
    const event* late_ = nullptr;
    bool asleep_ = false; // a consumer begins awake
};

} // namespace floors
