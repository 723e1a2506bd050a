#pragma once

#include "detail/far_future.hpp"
#include "headers.hpp"
#include "message_id.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cobus {

/// What one publish says beyond its contract: `bus.publish(e,
/// cobus::with().key("k").deadline(2s))`.
class publish_options {
public:
    publish_options() {
    } // not defaulted: an aggregate would be destroyed twice by GCC 12 (see docs)

    /// Instead of the contract's key.
    auto key(std::string_view value) && -> publish_options&& {
        key_ = std::string(value);
        return std::move(*this);
    }
    /// May be repeated; names may repeat.
    auto header(std::string_view name, std::string_view value) && -> publish_options&& {
        headers_.add(name, value);
        return std::move(*this);
    }
    auto id(std::string_view value) && -> publish_options&& {
        id_ = message_id::from_text(value);
        return std::move(*this);
    }
    auto time(time_point value) && -> publish_options&& {
        time_ = value;
        return std::move(*this);
    }
    /// Instead of the one that the key falls into. Publishing fails if the topic has no such
    /// partition.
    auto partition(std::int32_t value) && -> publish_options&& {
        partition_ = value;
        return std::move(*this);
    }
    /// The W3C trace context of the caller.
    auto traceparent(std::string_view value) && -> publish_options&& {
        headers_.set("traceparent", value);
        return std::move(*this);
    }
    /// The latest time to be under way, from now. An event that was not sent by then fails with
    /// `errc::timed_out`; one that is being sent, with `errc::maybe_sent`.
    auto deadline(std::chrono::milliseconds from_now) && -> publish_options&& {
        deadline_ = detail::addable(from_now);
        return std::move(*this);
    }

    [[nodiscard]] auto key() const noexcept -> const std::optional<std::string>& { return key_; }
    [[nodiscard]] auto headers() const noexcept -> const cobus::headers& { return headers_; }
    [[nodiscard]] auto id() const noexcept -> const std::optional<message_id>& { return id_; }
    [[nodiscard]] auto time() const noexcept -> const std::optional<time_point>& { return time_; }
    [[nodiscard]] auto partition() const noexcept -> std::int32_t { return partition_; }
    [[nodiscard]] auto deadline() const noexcept -> std::optional<std::chrono::milliseconds> {
        return deadline_;
    }

private:
    std::optional<std::string> key_;
    cobus::headers headers_;
    std::optional<message_id> id_;
    std::optional<time_point> time_;
    std::optional<std::chrono::milliseconds> deadline_;
    std::int32_t partition_ = -1;
};

/// Starts a set of options.
[[nodiscard]] inline auto with() -> publish_options { return publish_options(); }

} // namespace cobus
