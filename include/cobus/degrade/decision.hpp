#pragma once

#include "../error.hpp"
#include "../state.hpp"
#include "../transport/transport.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace cobus::degrade {

using clock = std::chrono::steady_clock;

struct decision_rules {
    std::chrono::milliseconds decision_time{3000}; ///< of silence, until Kafka counts as away
    std::chrono::milliseconds damping{1000};       ///< away at least so long, against flapping
    bool required = false;                         ///< away at the start is a failure
};

/// Decides the state from what is known of the link. Does no I/O and knows no clock: it is handed
/// both, and says when it wants to be asked again.
class decision {
public:
    explicit decision(decision_rules rules) : rules_(rules) {}

    void start(clock::time_point now) {
        now_ = health{state::connecting, now, {}, {}};
        silent_since_ = now;
        due_ = now + rules_.decision_time;
    }

    /// True when the state changed.
    [[nodiscard]] auto update(const link_state& seen, clock::time_point now) -> bool {
        if (seen.what != link::connecting) {
            silent_since_.reset();
        } else if (!silent_since_) {
            silent_since_ = now;
        }
        due_ = (clock::time_point::max)();
        switch (now_.what) {
        case state::connecting:
        case state::connected:
            return while_hopeful(seen, now);
        case state::degraded:
            return while_away(seen, now);
        case state::failed:
            return refused_ && seen.what == link::up && while_away(seen, now);
        case state::memory:
        case state::recovering: // that is for the spool to say
            return false;
        }
        return false;
    }

    [[nodiscard]] auto current() const noexcept -> const health& { return now_; }
    /// When `update` has something to decide even if nothing is heard.
    [[nodiscard]] auto due() const noexcept -> clock::time_point { return due_; }

private:
    [[nodiscard]] auto while_hopeful(const link_state& seen, clock::time_point now) -> bool {
        switch (seen.what) {
        case link::up:
            return now_.what == state::connecting && enter(state::connected, now, {}, {});
        case link::failed:
            return fail(seen, now);
        case link::down:
            return away(seen, now);
        case link::connecting:
            break;
        }
        const clock::time_point limit = *silent_since_ + rules_.decision_time;
        if (now < limit) {
            due_ = limit;
            return false;
        }
        link_state silence = seen;
        if (silence.detail.empty()) {
            silence.detail =
                "no answer within " + std::to_string(rules_.decision_time.count()) + " ms";
        }
        return away(silence, now);
    }

    [[nodiscard]] auto while_away(const link_state& seen, clock::time_point now) -> bool {
        if (seen.what == link::failed || is_refusal(seen)) {
            return fail(seen, now);
        }
        if (seen.what != link::up) {
            return false;
        }
        const clock::time_point earliest = now_.since + rules_.damping;
        if (now < earliest) {
            due_ = earliest;
            return false;
        }
        return enter(state::connected, now, {}, {});
    }

    [[nodiscard]] auto away(const link_state& seen, clock::time_point now) -> bool {
        if (is_refusal(seen)) {
            return fail(seen, now);
        }
        const std::error_code cause = seen.cause ? seen.cause : make_error_code(errc::unavailable);
        if (now_.what == state::connecting && rules_.required) {
            return enter(state::failed, now, errc::kafka_required, words(seen, cause));
        }
        return enter(state::degraded, now, cause, words(seen, cause));
    }
    /// Somebody is there and wants nothing to do with us, such as after a wrong password: events
    /// are not to be kept back for that. It passes once somebody changes something there.
    [[nodiscard]] static auto is_refusal(const link_state& seen) noexcept -> bool {
        return seen.what == link::down && seen.cause == condition::permanent;
    }
    [[nodiscard]] auto fail(const link_state& seen, clock::time_point now) -> bool {
        refused_ = is_refusal(seen);
        const std::error_code cause = seen.cause ? seen.cause : make_error_code(errc::fatal);
        return enter(state::failed, now, cause, words(seen, cause));
    }

    [[nodiscard]] static auto words(const link_state& seen, std::error_code cause) -> std::string {
        return seen.detail.empty() ? cause.message() : seen.detail;
    }

    auto enter(state what, clock::time_point now, std::error_code cause, std::string why) -> bool {
        now_ = health{what, now, cause, std::move(why)};
        return true;
    }

    decision_rules rules_;
    health now_;
    bool refused_ = false; ///< failed, until it is let in
    std::optional<clock::time_point> silent_since_;
    clock::time_point due_ = (clock::time_point::max)();
};

} // namespace cobus::degrade
