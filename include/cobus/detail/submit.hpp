#pragma once

#include "prepare.hpp"

#include <cstdint>
#include <memory>
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

template <class Handler>
void install_canceller(const Handler& handler, const std::shared_ptr<bus_core>& core,
                       publish_op& op) {
    const auto slot = net::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
        auto installed = slot;
        installed.template emplace<publish_canceller>(core, op);
    }
}

/// Starts a publish for any completion token.
class initiate_publish {
public:
    explicit initiate_publish(prepared what) noexcept : what_(std::move(what)) {}

    template <class Handler> void operator()(Handler&& handler) {
        const std::shared_ptr<bus_core> core = what_.shared_core();
        publisher& all = core->publishes();
        install_canceller(handler, core, what_.op());
        publish_op::waiter* who = erase_handler<std::error_code, receipt>(
            std::forward<Handler>(handler), core->executor());
        publish_op& op = what_.take();
        const std::uint64_t generation =
            op.generation; // from here on the home may reuse it any time
        const auto deadline = op.deadline;
        (void)all.attach(op, *who); // nothing can have ended yet
        if (op.ec || all.submit(op, true) == taken::done) {
            all.tell_later(op); // never inline from the initiating function
        } else if (deadline != (std::chrono::steady_clock::time_point::max)()) {
            all.watch(op, generation, deadline);
        }
    }

private:
    prepared what_;
};

/// Waits for a publish that was submitted and did not end at once.
class initiate_wait {
public:
    initiate_wait(std::shared_ptr<bus_core> core, publish_op& op) noexcept
        : core_(std::move(core)), op_(&op) {}

    template <class Handler> void operator()(Handler&& handler) {
        publisher& all = core_->publishes();
        install_canceller(handler, core_, *op_);
        publish_op::waiter* who = erase_handler<std::error_code, receipt>(
            std::forward<Handler>(handler), core_->executor());
        const std::uint64_t generation = op_->generation;
        const auto deadline = op_->deadline;
        if (all.attach(*op_, *who)) {
            if (deadline != (std::chrono::steady_clock::time_point::max)()) {
                all.watch(*op_, generation, deadline);
            }
        } else {
            const std::error_code ec = op_->ec;
            receipt where = std::move(op_->where);
            all.release(*op_);
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

/// True once in a while. A coroutine that publishes in a loop never suspends as long as there is
/// room; it should let the handlers run before the room is full, while the messages are still in
/// the cache.
[[nodiscard]] inline auto enough_without_a_break() noexcept -> bool {
    constexpr unsigned in_a_row = 256; // as many as one run of the home takes
    static thread_local unsigned count = 0;
    return ++count % in_a_row == 0;
}

/// The way of `use_awaitable`: no suspension, no posted completion when the publish ends at once.
inline auto publish_awaitable(prepared what) -> net::awaitable<receipt> {
    publisher& all = what.core().publishes();
    publish_op& op = what.op();
    if (all.submit(op, true) == taken::done) {
        if (op.ec) {
            throw_error(op.ec, op.problem);
        }
        receipt where = std::move(op.where);
        if (enough_without_a_break()) {
            co_await net::post(net::use_awaitable);
        }
        co_return where;
    }
    initiate_wait wait(what.shared_core(), what.take());
    co_return co_await net::async_initiate<const net::use_awaitable_t<>,
                                           void(std::error_code, receipt)>(std::move(wait),
                                                                           net::use_awaitable);
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
