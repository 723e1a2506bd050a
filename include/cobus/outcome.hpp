#pragma once

#include "detail/far_future.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace cobus {

/// How handling an event ended, for handlers that say so by value instead of by exception.
/// Returning nothing means `done`; a thrown exception means `retry`. Being cancelled is no outcome.
class outcome {
public:
    enum class kind : unsigned char {
        done,        ///< handled; the message counts as finished for this handler
        retry,       ///< try again later
        dead_letter, ///< never try again; keep it in the dead letter topic
        skip,        ///< not for this handler after all; finished without having been handled
    };

    [[nodiscard]] static auto done() noexcept -> outcome { return outcome(kind::done); }
    [[nodiscard]] static auto skip() noexcept -> outcome { return outcome(kind::skip); }
    [[nodiscard]] static auto retry() noexcept -> outcome { return outcome(kind::retry); }

    /// Retry no earlier than `delay` from now, instead of after the handler's own backoff.
    [[nodiscard]] static auto retry_after(std::chrono::milliseconds delay,
                                          std::string reason = std::string()) -> outcome {
        return {kind::retry, detail::addable(delay), std::move(reason)};
    }
    [[nodiscard]] static auto dead_letter(std::string reason) -> outcome {
        return {kind::dead_letter, std::chrono::milliseconds(-1), std::move(reason)};
    }

    [[nodiscard]] auto what() const noexcept -> kind { return kind_; }
    /// The asked delay, or a negative value when the handler's backoff decides.
    [[nodiscard]] auto delay() const noexcept -> std::chrono::milliseconds { return delay_; }
    [[nodiscard]] auto reason() const noexcept -> std::string_view { return reason_; }

private:
    explicit outcome(kind what) noexcept : kind_(what) {}
    outcome(kind what, std::chrono::milliseconds delay, std::string reason)
        : kind_(what), delay_(delay), reason_(std::move(reason)) {}

    kind kind_;
    std::chrono::milliseconds delay_{-1};
    std::string reason_;
};

} // namespace cobus
