#pragma once

#include "../detail/event_argument.hpp"
#include "../message.hpp"
#include "../net.hpp"
#include "../publish_options.hpp"
#include "../receipt.hpp"
#include "../transport/transport.hpp"
#include "job.hpp"
#include "registration.hpp"
#include "worker.hpp"

#include <atomic>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace cobus {

class context;

namespace detail {
template <class E, class F> class batch_handler;

// Of the bus, which is above this header.
template <class E>
auto publish_within(const context& from, const publish_options* said, E&& event)
    -> net::awaitable<receipt>;
template <class E, class Token>
auto submit_within(const context& from, const publish_options* said, E&& event, Token& token);
} // namespace detail

/// What a handler may know of the event it is given, and how it publishes because of it. Lives as
/// long as the run of the handler.
class context {
public:
    explicit context(detail::job& run, detail::worker* by = nullptr) noexcept
        : run_(&run), by_(by), published_(&count_) {}
    /// One of a batch: `published` counts over all contexts of that event.
    context(detail::job& run, detail::worker* by, std::uint32_t& published) noexcept
        : run_(&run), by_(by), published_(&published) {}
    context(const context&) = delete;
    auto operator=(const context&) -> context& = delete;
    ~context() = default;

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
    [[nodiscard]] auto attempt() const noexcept -> unsigned { return run_->tried + run_->attempt; }
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
    [[nodiscard]] auto group() const noexcept -> const std::string&;
    /// What the event is told by, with its source: its id; where the wire has none, what the event
    /// says of itself by its contract's `id`; else where it lies.
    [[nodiscard]] auto identity() const -> std::string {
        std::string id = content().id().empty() ? std::string() : content().id().str();
        if (id.empty() && run_->handler->info() != nullptr) {
            id = content().own_id(*run_->handler->info());
        }
        return !id.empty() ? id
                           : std::string(topic()) + ":" + std::to_string(partition()) + ":" +
                                 std::to_string(offset());
    }

    // --- publishing because of the event

    /// Publishes as `bus.publish` does, with the same completions, errors and cancellation.
    ///
    /// Unless the contract or the options name an id, the event gets one that is derived from this
    /// event's id, the group, the handler, the type, and how many ids this run has given before. So
    /// when this event is redelivered, what is published again has the same ids, as long as the
    /// handler does the same in the same order. `traceparent` and `tracestate` of this event are
    /// carried on unless the options name another trace.
    ///
    /// Thread safety: one call at a time.
    template <class E>
        requires event_argument<E>
    auto publish(E&& event) const -> net::awaitable<receipt> {
        static_assert(detail::safe_to_await<E>());
        return detail::publish_within(*this, nullptr, std::forward<E>(event));
    }
    template <class E>
        requires event_argument<E>
    auto publish(E&& event, const publish_options& said) const -> net::awaitable<receipt> {
        static_assert(detail::safe_to_await<E>());
        return detail::publish_within(*this, &said, std::forward<E>(event));
    }
    template <class E, class Token>
        requires event_argument<E> && (!std::same_as<std::remove_cvref_t<Token>, publish_options>)
    auto publish(E&& event, Token&& token) const {
        return detail::submit_within<E, Token>(*this, nullptr, std::forward<E>(event), token);
    }
    template <class E, class Token>
        requires event_argument<E>
    auto publish(E&& event, const publish_options& said, Token&& token) const {
        return detail::submit_within<E, Token>(*this, &said, std::forward<E>(event), token);
    }
    /// The id that `publish` would give to an event of that type now; the next one is another.
    [[nodiscard]] auto next_id(std::string_view type) const -> message_id;

    /// Of cobus itself.
    [[nodiscard]] auto host() const noexcept -> detail::dispatch_host& {
        return run_->handler->host();
    }

private:
    template <class E, class F> friend class detail::batch_handler;
    [[nodiscard]] auto batch() const noexcept -> detail::job& { return *run_; }

    [[nodiscard]] auto by() const noexcept -> detail::worker* { return by_; }

    detail::job* run_;
    detail::worker* by_;
    std::uint32_t count_ = 0;
    std::uint32_t* published_; ///< ids given in this run
};

} // namespace cobus
