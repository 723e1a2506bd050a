#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <utility>

namespace floors {

/// Coroutine frames kept for the next coroutine of about the same size, for each thread.
class frame_pool {
public:
    static auto take(std::size_t bytes) -> void* {
        block*& first = free_list(bytes);
        if (first == nullptr) {
            return ::operator new(rounded(bytes));
        }
        return std::exchange(first, first->next);
    }
    static void give(void* frame, std::size_t bytes) noexcept {
        block*& first = free_list(bytes);
        first = ::new (frame) block(first);
    }

private:
    struct block {
        explicit block(block* following) noexcept : next(following) {}
        block* next;
    };
    static constexpr std::size_t step = 64;

    static auto rounded(std::size_t bytes) noexcept -> std::size_t {
        return (bytes + step - 1) / step * step;
    }
    static auto free_list(std::size_t bytes) noexcept -> block*& {
        static thread_local std::array<block*, 64> lists{};
        return lists[(bytes + step - 1) / step % lists.size()];
    }
};

/// The cheapest child coroutine: lazy, resumed directly, ended by symmetric transfer.
class task {
public:
    struct promise_type {
        std::coroutine_handle<> parent = std::noop_coroutine();

        struct final_awaiter {
            auto await_ready() const noexcept -> bool { return false; }
            auto await_suspend(std::coroutine_handle<promise_type> self) const noexcept
                -> std::coroutine_handle<> {
                return self.promise().parent;
            }
            void await_resume() const noexcept {}
        };

        auto get_return_object() noexcept -> task {
            return task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        auto initial_suspend() const noexcept -> std::suspend_always { return {}; }
        auto final_suspend() const noexcept -> final_awaiter { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }

        static auto operator new(std::size_t bytes) -> void* { return frame_pool::take(bytes); }
        static void operator delete(void* frame, std::size_t bytes) noexcept {
            frame_pool::give(frame, bytes);
        }
    };

    task(task&& other) noexcept : self_(std::exchange(other.self_, nullptr)) {}
    auto operator=(task&&) -> task& = delete;
    ~task() {
        if (self_) {
            self_.destroy();
        }
    }

    auto await_ready() const noexcept -> bool { return false; }
    auto await_suspend(std::coroutine_handle<> parent) const noexcept -> std::coroutine_handle<> {
        self_.promise().parent = parent;
        return self_;
    }
    void await_resume() const noexcept {}

    /// Runs it without a parent, until it suspends for the first time.
    void start() const { self_.resume(); }
    [[nodiscard]] auto done() const noexcept -> bool { return self_.done(); }

private:
    explicit task(std::coroutine_handle<promise_type> self) noexcept : self_(self) {}

    std::coroutine_handle<promise_type> self_;
};

} // namespace floors
