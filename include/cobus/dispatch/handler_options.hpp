#pragma once

#include "retry.hpp"

#include <algorithm>
#include <cstddef>
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

    [[nodiscard]] auto name() const noexcept -> const std::string& { return name_; }
    [[nodiscard]] auto concurrency() const noexcept -> std::size_t { return concurrency_; }
    [[nodiscard]] auto ordered() const noexcept -> order { return order_; }
    [[nodiscard]] auto retry() const noexcept -> const retry_policy& { return retry_; }

private:
    std::string name_;
    retry_policy retry_;
    std::size_t concurrency_ = 64;
    order order_ = order::by_key;
};

/// Starts a set of options for a handler of that name; the name is its identity in retries and dead
/// letters.
[[nodiscard]] inline auto handler(std::string_view name) -> handler_options {
    return handler_options(name);
}

} // namespace cobus
