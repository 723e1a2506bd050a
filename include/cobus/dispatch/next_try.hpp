#pragma once

#include "../message_id.hpp"
#include "handler_options.hpp"
#include "job.hpp"
#include "registration.hpp"

#include <chrono>
#include <optional>

namespace cobus::detail {

/// Whether the error of a failed run is worth another try at all, now or later.
[[nodiscard]] inline auto worth_trying(const job& failed) -> bool {
    return failed.handler->options().retry().worth_retrying(failed.ended.error());
}

/// When a job that failed at `now` is tried again, by its handler's policy; nothing when it is not.
[[nodiscard]] inline auto next_try(job& failed, std::chrono::steady_clock::time_point now)
    -> std::optional<std::chrono::steady_clock::time_point> {
    const retry_policy& policy = failed.handler->options().retry();
    if (policy.exhausted(failed.attempt) || !worth_trying(failed)) {
        return std::nullopt;
    }
    const auto asked = failed.ended.delay();
    const auto wait =
        asked.count() >= 0 ? asked : policy.wait(failed.attempt, fast_random::local()());
    if (failed.attempt == 1) {
        failed.failing_since = now;
    }
    if (policy.too_late(now + wait - failed.failing_since)) {
        return std::nullopt;
    }
    return now + wait;
}

} // namespace cobus::detail
