#pragma once

#include "../net.hpp"
#include "pool.hpp"

#include <exception>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cobus::detail {

/// A user's completion handler behind a pointer. Exactly one of `complete` and `destroy` ends its
/// life.
template <class... Args> class completion {
public:
    completion(const completion&) = delete;
    auto operator=(const completion&) -> completion& = delete;

    /// Invokes the handler on its associated executor; inline only when the caller runs on `here`
    /// and that is the handler's executor too.
    void complete(const net::any_io_executor& here, bool inline_allowed, Args... args) {
        run_(this, &here, inline_allowed, std::move(args)...);
    }
    void destroy() noexcept { drop_(this); }

    completion* queue_next = nullptr; // for whoever holds it

protected:
    using run_function = void (*)(completion*, const net::any_io_executor*, bool, Args...);
    using drop_function = void (*)(completion*) noexcept;

    completion(run_function run, drop_function drop) noexcept : run_(run), drop_(drop) {}
    ~completion() = default;

private:
    run_function run_;
    drop_function drop_;
};

/// A handler with its arguments, to be posted; keeps the handler's allocator.
template <class Handler, class... Args> class bound_handler {
public:
    using allocator_type = net::associated_allocator_t<Handler>;

    bound_handler(Handler handler, Args... args)
        : handler_(std::move(handler)), args_(std::move(args)...) {}

    [[nodiscard]] auto get_allocator() const noexcept -> allocator_type {
        return net::get_associated_allocator(handler_);
    }
    void operator()() {
        std::apply([this](Args&... each) { std::move(handler_)(std::move(each)...); }, args_);
    }

private:
    Handler handler_;
    std::tuple<Args...> args_;
};

template <class Handler, class... Args> class completion_of final : public completion<Args...> {
public:
    using base = completion<Args...>;
    using associated = net::associated_allocator_t<Handler>;
    static constexpr bool pooled = std::is_same_v<associated, std::allocator<void>>;
    using allocator =
        typename std::allocator_traits<associated>::template rebind_alloc<completion_of>;

    template <class H>
    [[nodiscard]] static auto make(H&& handler, const net::any_io_executor& fallback) -> base* {
        if constexpr (pooled) {
            return pool_new<completion_of>(std::forward<H>(handler), fallback);
        } else {
            allocator memory(net::get_associated_allocator(handler));
            completion_of* made = std::allocator_traits<allocator>::allocate(memory, 1);
            try {
                return ::new (static_cast<void*>(made))
                    completion_of(std::forward<H>(handler), fallback);
            } catch (...) {
                std::allocator_traits<allocator>::deallocate(memory, made, 1);
                throw;
            }
        }
    }

    template <class H>
    completion_of(H&& handler, const net::any_io_executor& fallback)
        : base(&run, &drop), handler_(std::forward<H>(handler)) {
        const auto executor = net::get_associated_executor(handler_, fallback);
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(executor)>,
                                     net::any_io_executor>) {
            if (executor == fallback) {
                return; // the bus itself keeps work on this one
            }
        }
        work_.reset(pool_new<work_guard>(executor));
    }

private:
    friend struct pool_deleter;
    template <class T> friend void pool_delete(T*) noexcept;

    using executor_type = net::associated_executor_t<Handler, net::any_io_executor>;
    using work_guard = net::executor_work_guard<executor_type>;

    ~completion_of() = default;

    static void release(completion_of* self) noexcept {
        if constexpr (pooled) {
            pool_delete(self);
        } else {
            allocator memory(net::get_associated_allocator(self->handler_));
            self->~completion_of();
            std::allocator_traits<allocator>::deallocate(memory, self, 1);
        }
    }
    static void drop(base* raw) noexcept { release(static_cast<completion_of*>(raw)); }

    static void run(base* raw, const net::any_io_executor* here, bool inline_allowed,
                    Args... args) {
        auto* self = static_cast<completion_of*>(raw);
        const executor_type executor = net::get_associated_executor(self->handler_, *here);
        Handler handler(std::move(self->handler_));
        const std::unique_ptr<work_guard, pool_deleter> work = std::move(self->work_);
        release(self); // before the upcall, so that its memory can serve the next operation
        if constexpr (std::is_same_v<executor_type, net::any_io_executor>) {
            if (inline_allowed && executor == *here) {
                try {
                    std::move(handler)(std::move(args)...);
                } catch (...) { // it is the context's to throw, not ours to break at
                    net::post(*here, [thrown = std::current_exception()] {
                        std::rethrow_exception(thrown);
                    });
                }
                return;
            }
        }
        net::post(executor,
                  bound_handler<Handler, Args...>(std::move(handler), std::move(args)...));
    }

    Handler handler_;
    std::unique_ptr<work_guard, pool_deleter> work_; ///< elsewhere: it is large, and seldom needed
};

/// Erases a handler of signature `void(Args...)`.
template <class... Args, class Handler>
[[nodiscard]] auto erase_handler(Handler&& handler, const net::any_io_executor& fallback)
    -> completion<Args...>* {
    return completion_of<std::decay_t<Handler>, Args...>::make(std::forward<Handler>(handler),
                                                               fallback);
}

} // namespace cobus::detail
