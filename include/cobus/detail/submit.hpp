#pragma once

#include "prepare.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cobus::detail {

/// What a cancellation slot calls: withdraws the publish if it still is that one.
class publish_canceller {
public:
    publish_canceller(const std::shared_ptr<bus_core>& core, publish_op& op) noexcept
        : core_(core), op_(&op), generation_(op.generation) {}

    void operator()(net::cancellation_type type) const {
        if (type == net::cancellation_type::none) {
            return;
        }
        if (const auto core = core_.lock()) {
            std::error_code ec;
            receipt where;
            if (publish_op::waiter* who = core->publishes().cancel(*op_, generation_, ec, where)) {
                who->complete(core->executor(), false, ec, std::move(where));
            }
        }
    }

private:
    std::weak_ptr<bus_core> core_;
    publish_op* op_;
    std::uint64_t generation_;
};

template <class Slot>
void install_canceller(Slot slot, const std::shared_ptr<bus_core>& core, publish_op& op) {
    if (slot.is_connected()) {
        slot.template emplace<publish_canceller>(core, op);
    }
}

/// Starts a publish for any completion token.
class initiate_publish {
public:
    explicit initiate_publish(prepared what) noexcept : what_(std::move(what)) {}

    template <class Handler> void operator()(Handler&& handler) {
        (*this)(std::forward<Handler>(handler), what_.take());
    }
    /// For a node that was taken from it.
    template <class Handler> void operator()(Handler&& handler, publish_op& op) {
        const std::shared_ptr<bus_core> core = what_.leave_core();
        install_canceller(net::get_associated_cancellation_slot(handler), core, op);
        publish_op::waiter* who = erase_handler<std::error_code, receipt>(
            std::forward<Handler>(handler), core->executor());
        (void)core->publishes().attach(op, *who); // nothing can have ended yet
        go(core, op);
    }

private:
    static void go(const std::shared_ptr<bus_core>& core, publish_op& op) {
        publisher& all = core->publishes();
        const std::uint64_t generation =
            op.generation; // from here on the home may reuse it any time
        const auto deadline = op.deadline;
        if (op.ec || all.submit(op, true) == taken::done) {
            all.tell_later(op); // never inline from the initiating function
        } else if (deadline != (std::chrono::steady_clock::time_point::max)()) {
            all.watch(op, generation, deadline);
        }
    }

    prepared what_;
};

/// Waits for a publish that was submitted and did not end at once.
class initiate_wait {
public:
    initiate_wait(std::shared_ptr<bus_core> core, publish_op& op) noexcept
        : core_(std::move(core)), op_(&op) {}

    template <class Handler> void operator()(Handler&& handler) {
        publisher& all = core_->publishes();
        install_canceller(net::get_associated_cancellation_slot(handler), core_, *op_);
        publish_op::waiter* who = erase_handler<std::error_code, receipt>(
            std::forward<Handler>(handler), core_->executor());
        const std::uint64_t generation = op_->generation;
        const auto deadline = op_->deadline;
        if (all.attach(*op_, *who)) {
            if (deadline != (std::chrono::steady_clock::time_point::max)()) {
                all.watch(*op_, generation, deadline);
            }
        } else {
            receipt where;
            const std::error_code ec = all.collect(*op_, where);
            who->complete(core_->executor(), false, ec, std::move(where));
        }
    }

private:
    std::shared_ptr<bus_core> core_;
    publish_op* op_;
};

[[noreturn]] inline void throw_error(std::error_code ec, const std::string& problem) {
    if (problem.empty()) {
        throw std::system_error(ec);
    }
    throw error(ec, problem);
}

/// What a coroutine does after a publish that did not suspend. In a loop it would never suspend as
/// long as there is room; so it lets the handlers run while the messages are still in the cache,
/// and now and then whoever else waits for the executor.
enum class pause : unsigned char { none, handlers, everybody };

[[nodiscard]] inline auto next_pause() noexcept -> pause {
    constexpr unsigned for_handlers = 64;
    constexpr unsigned for_everybody = 256;
    static thread_local unsigned count = 0;
    ++count;
    return count % for_everybody == 0  ? pause::everybody
           : count % for_handlers == 0 ? pause::handlers
                                       : pause::none;
}

/// Puts a node back that is done; throws its error, if any.
inline void settle(publisher& all, publish_op& op, receipt& where) {
    const std::error_code ec = op.ec;
    const std::string problem = std::move(op.problem);
    where = std::move(op.where);
    all.release(op);
    if (ec) {
        throw_error(ec, problem);
    }
}

/// The way of `use_awaitable`: no suspension, no posted completion when the publish ends at once.
/// As all that makes coroutines of Asio's it depends on their executor, which is always the same,
/// because then files that only include this do not compile it.
template <class Executor = net::any_io_executor>
auto publish_awaitable(prepared what) -> net::awaitable<receipt, Executor> {
    static constexpr net::use_awaitable_t<Executor> token;
    receipt where;
    if (what.submit_now(where)) {
        if (const pause now = next_pause(); now != pause::none) {
            // While much is under way it waits for its turn more often, so that suspended handlers
            // keep up with it. Once cancelled it does not: that would throw, and the event is sent.
            constexpr int most_turns = 4;
            const Executor here = co_await net::this_coro::executor;
            const auto cancelled = co_await net::this_coro::cancellation_state;
            bool gives_way = what.core().run_on(here) || now == pause::everybody;
            for (int turn = 0; gives_way && turn < most_turns &&
                               cancelled.cancelled() == net::cancellation_type::none;
                 ++turn) {
                co_await net::post(here, token);
                gives_way = what.core().run_on(here);
            }
        }
        co_return where;
    }
    publish_op& op = what.take();
    if (what.core().publishes().submit(op, true) == taken::done) {
        settle(what.core().publishes(), op, where);
        co_return where;
    }
    initiate_wait wait(what.shared_core(), op);
    co_return co_await net::async_initiate<const net::use_awaitable_t<Executor>,
                                           void(std::error_code, receipt)>(std::move(wait), token);
}

/// What a coroutine awaits. Where the answer comes from outside it will suspend, so it gets by
/// without a frame of ours.
template <class Executor = net::any_io_executor>
auto await_publish(prepared what) -> net::awaitable<receipt, Executor> {
    if (what.content->contract() == nullptr && what.core().publishes().answers_later()) {
        static constexpr net::use_awaitable_t<Executor> token;
        return net::async_initiate<const net::use_awaitable_t<Executor>,
                                   void(std::error_code, receipt)>(
            initiate_publish(std::move(what)), token);
    }
    return publish_awaitable<Executor>(std::move(what));
}

/// Initiates something that ends with an error code: `Start` is called with the erased handler.
template <class Start> class initiate_status {
public:
    initiate_status(std::shared_ptr<bus_core> core, Start start)
        : core_(std::move(core)), start_(std::move(start)) {}

    template <class Handler> void operator()(Handler&& handler) {
        auto* who =
            erase_handler<std::error_code>(std::forward<Handler>(handler), core_->executor());
        start_(*core_, *who);
    }

private:
    std::shared_ptr<bus_core> core_;
    Start start_;
};

template <class Token> inline constexpr bool is_use_awaitable = false;
template <class Executor> inline constexpr bool is_use_awaitable<net::use_awaitable_t<Executor>> =
    true;

} // namespace cobus::detail
