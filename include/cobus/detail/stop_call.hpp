#pragma once

#include "../state.hpp"
#include "bus_core.hpp"
#include "without_result.hpp"

#include <chrono>
#include <concepts>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cobus::detail {

/// A callback that wants to hear the error alone. `use_future`, too, can be called with one thing,
/// but makes another of it.
template <class Token>
concept takes_error_only = !std::invocable<std::decay_t<Token>&, std::error_code, stop_result> &&
                           requires(std::decay_t<Token>& token, std::error_code ec) {
                               { token(ec) } -> std::same_as<void>;
                           };

/// Initiates stopping for any completion token.
class initiate_stop {
public:
    initiate_stop(std::shared_ptr<bus_core> core, std::chrono::milliseconds limit) noexcept
        : core_(std::move(core)), limit_(limit) {}

    template <class Handler> void operator()(Handler&& handler) {
        using result_handler = without_result<std::decay_t<Handler>>;
        if constexpr (takes_error_only<Handler>) {
            stop(result_handler(std::forward<Handler>(handler), core_->executor()));
        } else {
            stop(std::forward<Handler>(handler));
        }
    }

private:
    template <class Handler> void stop(Handler&& handler) {
        auto* who = erase_handler<std::error_code, stop_result>(std::forward<Handler>(handler),
                                                                core_->executor());
        core_->stop(limit_, *who);
    }

    std::shared_ptr<bus_core> core_;
    std::chrono::milliseconds limit_;
};

/// Stops for a completion token.
template <class Token>
auto stop_as(std::shared_ptr<bus_core> core, std::chrono::milliseconds limit, Token& token) {
    initiate_stop initiation(std::move(core), limit);
    if constexpr (takes_error_only<Token>) {
        return net::async_initiate<Token, void(std::error_code)>(std::move(initiation), token);
    } else {
        return net::async_initiate<Token, void(std::error_code, stop_result)>(std::move(initiation),
                                                                              token);
    }
}

} // namespace cobus::detail
