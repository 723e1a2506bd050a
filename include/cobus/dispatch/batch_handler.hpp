#pragma once

#include "context.hpp"
#include "handler_of.hpp"
#include "job.hpp"

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace cobus {

/// What a batch handler may know of its events, by index, and where it says which of them failed.
/// Lives as long as the run of the handler.
class batch_context {
public:
    explicit batch_context(detail::job& first, detail::worker* by = nullptr) : by_(by) {
        for (detail::job* each = &first; each != nullptr; each = each->queue_next) {
            jobs_.push_back(each);
        }
        said_.resize(jobs_.size());
        published_.resize(jobs_.size());
    }

    [[nodiscard]] auto size() const noexcept -> std::size_t { return jobs_.size(); }
    /// What a handler of single events would know of that one.
    [[nodiscard]] auto at(std::size_t index) const -> context {
        return {*jobs_.at(index), by_, published_.at(index)};
    }

    /// How handling that event ended; those of which nothing is said are done.
    void say(std::size_t index, outcome how) { said_.at(index) = std::move(how); }
    /// That event is to be tried again, by the handler's retry policy, and so are those of its key
    /// behind it.
    void fail(std::size_t index, std::string reason) {
        say(index, outcome::retry_after(std::chrono::milliseconds(-1), std::move(reason)));
    }

    [[nodiscard]] auto handler() const -> std::string_view { return at(0).handler(); }
    /// Stops the bus without waiting for it, as `bus.request_stop()` does.
    void request_stop() const { at(0).request_stop(); }
    /// As of `context`, for the batch: its events may be of several partitions.
    [[nodiscard]] auto ending() const -> bool {
        return std::any_of(jobs_.begin(), jobs_.end(),
                           [](detail::job* each) { return context(*each).ending(); });
    }
    [[nodiscard]] auto cancelled() const -> bool { return at(0).cancelled(); }
    [[nodiscard]] auto cancellation_slot() const -> net::cancellation_slot {
        return at(0).cancellation_slot();
    }

private:
    template <class E, class F> friend class detail::batch_handler;

    /// Each event has its own result from now on. Returns the first one's.
    [[nodiscard]] auto split() -> outcome {
        for (std::size_t i = 1; i < jobs_.size(); ++i) {
            jobs_[i]->ended = detail::result(said_[i] ? *said_[i] : outcome::done());
        }
        jobs_.front()->split = true;
        return said_.front() ? *said_.front() : outcome::done();
    }

    detail::worker* by_;
    std::vector<detail::job*> jobs_;
    std::vector<std::optional<outcome>> said_;
    mutable std::vector<std::uint32_t> published_;
};

namespace detail {

template <class F, class E>
concept handles_batches = std::invocable<F&, std::span<const E>> ||
                          std::invocable<F&, std::span<const E>, batch_context&>;

template <class F, class E>
[[nodiscard]] auto call_batch_handler(F& handler, std::span<const E> events, batch_context& about)
    -> decltype(auto) {
    if constexpr (std::invocable<F&, std::span<const E>, batch_context&>) {
        return handler(events, about);
    } else {
        return handler(events);
    }
}

template <class F, class E>
using batch_result_t = decltype(call_batch_handler(
    std::declval<F&>(), std::declval<std::span<const E>>(), std::declval<batch_context&>()));

template <class R>
concept batch_result = std::same_as<R, void> || std::same_as<R, net::awaitable<void>>;

/// A batch handler as a handler of the first event, which stands for all of them.
template <class E, class F> class batch_handler {
    using returned = batch_result_t<F, E>;

public:
    template <class Handler>
    explicit batch_handler(std::in_place_t /*which*/, Handler&& handler)
        : handler_(std::forward<Handler>(handler)) {}

    auto operator()(const E& /*first*/, context& where)
        -> std::conditional_t<is_awaitable<returned>, net::awaitable<outcome>, outcome> {
        if constexpr (is_awaitable<returned>) {
            return run(where.batch(), where.by());
        } else {
            batch_context about(where.batch());
            const std::vector<E> events = copies(about);
            call_batch_handler<F, E>(handler_, events, about);
            return about.split();
        }
    }

private:
    auto run(job& first, worker* by) -> net::awaitable<outcome> {
        batch_context about(first, by);
        const std::vector<E> events = copies(about);
        co_await call_batch_handler<F, E>(handler_, std::span<const E>(events), about);
        co_return about.split();
    }
    [[nodiscard]] static auto copies(const batch_context& about) -> std::vector<E> {
        std::vector<E> events;
        events.reserve(about.size());
        for (const job* each : about.jobs_) {
            events.push_back(*each->of->from.content->template object<E>());
        }
        return events;
    }

    F handler_;
};

} // namespace detail
} // namespace cobus
