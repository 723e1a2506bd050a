#pragma once

#include "../detail/far_future.hpp"
#include "../error.hpp"
#include "../message.hpp"
#include "../middleware/circuit_breaker.hpp"
#include "../middleware/deduplication.hpp"
#include "../middleware/rate_limit.hpp"
#include "retry.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cobus {

/// Which messages of a handler may not run at once.
enum class order : unsigned char {
    by_key,       ///< those of one key; those without a key, per partition
    by_partition, ///< those of one partition
    unordered,    ///< any may
};

/// What becomes of a message in a handler's topics whose type no handler of the group takes.
enum class unknown_type : unsigned char {
    skip,        ///< it is done: other groups may want it
    dead_letter, ///< it goes to the dead letters
    stop,        ///< its partition stops there, and nothing behind it is read or committed
};

/// How a handler is run: `bus.on<E>(cobus::handler("mail").concurrency(8), …)`.
class handler_options {
public:
    handler_options(std::string_view name) : name_(name) {} // NOLINT(google-explicit-constructor)
    handler_options(const char* name) : name_(name) {}      // NOLINT(google-explicit-constructor)
    handler_options(std::string name)
        : name_(std::move(name)) {} // NOLINT(google-explicit-constructor)

    /// Events that the handler works on at the same time, at least 1. Default 64.
    auto concurrency(std::size_t value) && -> handler_options&& {
        concurrency_ = (std::max<std::size_t>)(value, 1);
        return std::move(*this);
    }
    auto ordered(order value) && -> handler_options&& {
        order_ = value;
        return std::move(*this);
    }
    auto retry(retry_policy value) && -> handler_options&& {
        retry_ = std::move(value);
        return std::move(*this);
    }
    /// Longest time of one run. Then the coroutine is asked to end by its cancellation slot, and
    /// unless it is done all the same, the run has failed and is tried again. A plain function
    /// cannot be asked, so `on` refuses it. No limit unless set.
    auto time_limit(std::chrono::milliseconds longest) && -> handler_options&& {
        time_limit_ = detail::addable((std::max)(longest, std::chrono::milliseconds(1)));
        return std::move(*this);
    }
    /// Pauses the handler while it fails again and again. None unless set.
    auto breaker(const breaker_policy& value) && -> handler_options&& {
        breaker_ = value;
        return std::move(*this);
    }
    /// Calls it no more often than this. No limit unless set.
    auto rate(const rate_limit& value) && -> handler_options&& {
        rate_ = value;
        return std::move(*this);
    }
    /// Does not handle again what the store knows to be handled. Events without an id, such as
    /// plain payloads from Kafka, are always handled.
    auto deduplicate(std::shared_ptr<deduplication_store> store) && -> handler_options&& {
        store_ = std::move(store);
        return std::move(*this);
    }
    /// The same for events whose id stands elsewhere; an empty one is always handled.
    auto deduplicate(std::shared_ptr<deduplication_store> store,
                     std::function<std::string(const message&)> id) && -> handler_options&& {
        store_ = std::move(store);
        identity_ = std::move(id);
        return std::move(*this);
    }
    /// What failed beyond its tries waits in the topics of `settings::retry_topics` before it goes
    /// to the dead letters, and later events of its key behind it. Events need a codec for that.
    auto retry_topics(bool wanted = true) && -> handler_options&& {
        retry_topics_ = wanted;
        return std::move(*this);
    }
    /// For `on_batch`: a batch has `count` events, or fewer when `within` has passed since its
    /// first came. Default 100 and 200 ms.
    auto batch(std::size_t count, std::chrono::milliseconds within) && -> handler_options&& {
        batch_ = batch_size{(std::max)(count, std::size_t{1}),
                            detail::addable((std::max)(within, std::chrono::milliseconds(0)))};
        return std::move(*this);
    }

    /// For all of this handler's topics; if several handlers of a topic differ, the strictest
    /// holds. `skip` unless set.
    auto unknown(unknown_type what) && -> handler_options&& {
        unknown_ = what;
        return std::move(*this);
    }

    struct batch_size {
        std::size_t count = 100;
        std::chrono::milliseconds within{200};
    };

    [[nodiscard]] auto name() const noexcept -> const std::string& { return name_; }
    [[nodiscard]] auto concurrency() const noexcept -> std::size_t { return concurrency_; }
    [[nodiscard]] auto ordered() const noexcept -> order { return order_; }
    [[nodiscard]] auto retry() const noexcept -> const retry_policy& { return retry_; }
    [[nodiscard]] auto time_limit() const noexcept
        -> const std::optional<std::chrono::milliseconds>& {
        return time_limit_;
    }
    [[nodiscard]] auto breaker() const noexcept -> const std::optional<breaker_policy>& {
        return breaker_;
    }
    [[nodiscard]] auto rate() const noexcept -> const std::optional<rate_limit>& { return rate_; }
    [[nodiscard]] auto deduplication() const noexcept
        -> const std::shared_ptr<deduplication_store>& {
        return store_;
    }
    [[nodiscard]] auto identity() const noexcept
        -> const std::function<std::string(const message&)>& {
        return identity_;
    }
    [[nodiscard]] auto batch() const noexcept -> const std::optional<batch_size>& { return batch_; }
    [[nodiscard]] auto retry_topics() const noexcept -> bool { return retry_topics_; }
    [[nodiscard]] auto unknown() const noexcept -> unknown_type { return unknown_; }

private:
    std::string name_;
    retry_policy retry_;
    std::optional<std::chrono::milliseconds> time_limit_;
    std::optional<breaker_policy> breaker_;
    std::optional<rate_limit> rate_;
    std::optional<batch_size> batch_;
    std::shared_ptr<deduplication_store> store_;
    std::function<std::string(const message&)> identity_;
    std::size_t concurrency_ = 64;
    order order_ = order::by_key;
    bool retry_topics_ = false;
    unknown_type unknown_ = unknown_type::skip;
};

namespace detail {

/// Refuses options that would not do what they say.
inline void check_options(handler_options& how, bool coroutine, bool batches) {
    if (how.time_limit() && !coroutine) {
        throw error(errc::bad_settings, "handler '" + how.name() +
                                            "' is a plain function, which no time limit can end: "
                                            "make it a coroutine");
    }
    if (how.batch() && !batches) {
        throw error(errc::bad_settings,
                    "handler '" + how.name() + "' takes single events: use on_batch");
    }
    if (batches && how.retry_topics()) {
        throw error(errc::bad_settings,
                    "handler '" + how.name() + "' takes batches, which wait in no retry topics");
    }
    if (batches && !how.batch()) {
        const handler_options::batch_size usual;
        (void)std::move(how).batch(usual.count, usual.within);
    }
}

/// The same for a handler that takes whatever topics others do.
inline void check_without_topics(const handler_options& how) {
    if (how.retry_topics()) {
        throw error(errc::bad_settings, "handler '" + how.name() +
                                            "' names no topics, so it has no retry topics: "
                                            "list its topics");
    }
}

} // namespace detail

/// Starts a set of options for a handler of that name; the name is its identity in retries and dead
/// letters.
[[nodiscard]] inline auto handler(std::string_view name) -> handler_options {
    return handler_options(name);
}

} // namespace cobus
