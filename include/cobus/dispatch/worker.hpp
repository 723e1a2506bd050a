#pragma once

#include "../detail/handler_slot.hpp"
#include "../net.hpp"
#include "job.hpp"
#include "registration.hpp"

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

namespace cobus::detail {

/// Lets all cancellation through, and tells when it is no longer the filter: then somebody has
/// replaced the coroutine's cancellation state.
class watched_filter {
public:
    explicit watched_filter(bool& in_place) noexcept : in_place_(&in_place) {}
    watched_filter(const watched_filter&) = default;
    watched_filter(watched_filter&& other) noexcept
        : in_place_(std::exchange(other.in_place_, nullptr)) {}
    auto operator=(watched_filter) -> watched_filter& = delete;
    ~watched_filter() {
        if (in_place_ != nullptr) {
            *in_place_ = false;
        }
    }
    [[nodiscard]] auto operator()(net::cancellation_type type) const noexcept
        -> net::cancellation_type {
        return type;
    }

private:
    bool* in_place_;
};

/// A long-lived coroutine that runs one handler's jobs one after another, resumed inline by the
/// home. It spares a spawn for each message.
class worker {
public:
    explicit worker(registration& of) noexcept : of_(&of) {}
    worker(const worker&) = delete;
    auto operator=(const worker&) -> worker& = delete;

    [[nodiscard]] auto of() const noexcept -> registration& { return *of_; }

    /// Waits for the next job. `host().ready` is told only once this waits, so that nobody resumes
    /// it early.
    template <class Executor = net::any_io_executor> [[nodiscard]] auto next()
        -> net::awaitable<void, Executor> {
        static constexpr net::use_awaitable_t<Executor> token;
        return net::async_initiate<const net::use_awaitable_t<Executor>, void()>(waiting(*this),
                                                                                 token);
    }

    /// Asks the handler to end.
    void cancel() {
        cancelled.store(true, std::memory_order_relaxed);
        const std::lock_guard lock(*guard);
        beside.emit(net::cancellation_type::all);
        signal.emit(net::cancellation_type::all);
    }

    job* current = nullptr;
    bool dismissed = false;             ///< told to end
    bool ended = false;                 ///< the coroutine is over
    std::atomic<bool> cancelled{false}; ///< its signal was emitted, so it can serve no other job
    worker* inbox_next = nullptr;
    worker* queue_next = nullptr;
    handler_slot resume;
    bool own_filter = false; ///< its cancellation state is as `serve` made it
    net::cancellation_signal signal;
    net::cancellation_signal beside; ///< for what the handler does not await itself
    /// Held while another thread resumes the coroutine, and to emit the signal.
    std::shared_ptr<std::recursive_mutex> guard = std::make_shared<std::recursive_mutex>();

private:
    class waiting { // a class with a constructor: GCC 12 destroys capturing lambdas twice here
    public:
        explicit waiting(worker& self) noexcept : self_(&self) {}
        template <class Handler> void operator()(Handler&& handler) const {
            self_->resume.emplace(std::forward<Handler>(handler));
            self_->of_->host().ready(*self_);
        }

    private:
        worker* self_;
    };

    registration* of_;
};

/// Completion of a worker's coroutine. It keeps the bus, and so the worker, alive until then,
/// because Asio touches the worker's cancellation slot up to the very end.
class worker_end {
public:
    explicit worker_end(worker& of) : of_(&of), keep_(of.of().host().keep()) {}
    void operator()(const std::exception_ptr& /*never thrown*/) const {
        of_->ended = true;
        of_->of().host().ready(*of_);
    }

private:
    worker* of_;
    std::shared_ptr<void> keep_;
};

} // namespace cobus::detail
