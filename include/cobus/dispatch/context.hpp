#pragma once

#include "../message.hpp"
#include "../net.hpp"
#include "../transport/transport.hpp"
#include "job.hpp"
#include "registration.hpp"
#include "worker.hpp"

#include <atomic>
#include <cstdint>
#include <string_view>

namespace cobus {

namespace detail {
template <class E, class F> class batch_handler;
} // namespace detail

/// What a handler may know of the event it is given. Lives as long as the run of the handler.
class context {
public:
    explicit context(detail::job& run, detail::worker* by = nullptr) noexcept
        : run_(&run), by_(by) {}

    [[nodiscard]] auto content() const noexcept -> const message& {
        return *run_->of->from.content;
    }
    [[nodiscard]] auto topic() const noexcept -> std::string_view {
        return *run_->of->from.where.topic;
    }
    [[nodiscard]] auto partition() const noexcept -> std::int32_t {
        return run_->of->from.where.partition;
    }
    [[nodiscard]] auto offset() const noexcept -> std::int64_t { return run_->of->from.offset; }
    /// 1 for the first try.
    [[nodiscard]] auto attempt() const noexcept -> unsigned { return run_->attempt; }
    /// True when the event came from this process and not through Kafka.
    [[nodiscard]] auto in_process() const noexcept -> bool { return run_->of->from.in_process; }
    [[nodiscard]] auto handler() const noexcept -> std::string_view {
        return run_->handler->name();
    }
    /// Stops the bus without waiting for it, as `bus.request_stop()` does.
    void request_stop() const noexcept { run_->handler->host().request_stop(); }

    /// True once the partition of the event goes to another member, or the bus stops. The run may
    /// still end well: it has until `settings::drain_limit`, or most of the limit of `stop`. Then
    /// it is cancelled. What has much to do can look here, and leave the rest to the next try.
    /// Thread safety: any thread, as long as the run lasts.
    [[nodiscard]] auto ending() const noexcept -> bool {
        return run_->of->partition->ending.load(std::memory_order_relaxed);
    }
    /// True once this run was asked to end: its partition was lost or is given up, its time limit
    /// has passed, or its subscription or bus is gone. What it awaits ends with
    /// `operation_aborted`. Always false in a plain function, which cannot be asked.
    /// Thread safety: any thread, as long as the run lasts.
    [[nodiscard]] auto cancelled() const noexcept -> bool {
        return by_ != nullptr && by_->cancelled.load(std::memory_order_relaxed);
    }
    /// Is signalled at the same moment, with `cancellation_type::all`: for an operation that the
    /// coroutine does not await itself, one at a time. Not connected in a plain function.
    /// Thread safety: only within the handler's coroutine.
    [[nodiscard]] auto cancellation_slot() const noexcept -> net::cancellation_slot {
        return by_ != nullptr ? by_->beside.slot() : net::cancellation_slot();
    }

private:
    template <class E, class F> friend class detail::batch_handler;
    [[nodiscard]] auto batch() const noexcept -> detail::job& { return *run_; }

    [[nodiscard]] auto by() const noexcept -> detail::worker* { return by_; }

    detail::job* run_;
    detail::worker* by_;
};

} // namespace cobus
