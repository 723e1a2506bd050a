#pragma once

#include "../transport.hpp"
#include "error.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cobus::detail::kafka {

/// Decides from what librdkafka tells whether the cluster answers. Pure: is handed facts and `now`.
///
/// Up: a broker finished its handshake, or anything was answered. Down: every known broker refused
/// in one round, or nothing came for the decision time although an answer is due. A connection
/// closed for being idle is neither.
class link_tracker {
public:
    using clock = std::chrono::steady_clock;

    link_tracker(std::size_t brokers, std::chrono::milliseconds decision) noexcept
        : configured_((std::max<std::size_t>)(brokers, 1)), decision_(decision) {}

    [[nodiscard]] auto state() const noexcept -> const link_state& { return state_; }

    void started(clock::time_point now) noexcept { decide_by_ = now + decision_; }

    /// A broker's connection reached a state, by librdkafka's name for it.
    void broker(std::string_view name, std::string_view phase, clock::time_point now) {
        if (phase == "UP" || phase == "UPDATE") {
            refused_.clear();
            ++up_[std::string(name)];
            answered(now);
        } else if (phase == "DOWN") {
            up_.erase(std::string(name));
            ++refused_[std::string(name)];
            if (has_cause_ && up_.empty() && refused_.size() >= configured_) {
                down();
            }
        }
    }

    /// An error event: the cause, should it come to that. `detail` says it in words.
    void error(std::error_code cause, std::string detail) {
        has_cause_ = true;
        cause_ = cause;
        detail_ = std::move(detail);
        if (state_.what == link::down && state_.detail.empty()) {
            state_.cause = cause_;
            state_.detail = detail_;
        }
        if (up_.empty() && refused_.size() >= configured_) {
            down();
        }
    }

    /// librdkafka says that no broker is left. Early in old versions, never in some builds.
    void all_down() {
        up_.clear();
        down();
    }

    /// Something was answered: a delivery report, a fetch, a response.
    void answered(clock::time_point now) {
        last_answer_ = now;
        has_cause_ = false;
        if (state_.what != link::failed) {
            state_ = link_state{link::up, {}, {}};
        }
    }

    /// The client is beyond repair.
    void fatal(std::error_code cause, std::string detail) {
        state_ = link_state{link::failed, cause, std::move(detail)};
    }

    /// Something was asked for at `since` and nothing came since: time to decide?
    void waiting(clock::time_point since, clock::time_point now) {
        if (now - (std::max)(since, last_answer_) >= decision_) {
            silent();
        }
    }
    /// The decision time after the start.
    void tick(clock::time_point now) {
        if (state_.what == link::connecting && now >= decide_by_) {
            silent();
        }
    }
    [[nodiscard]] auto decide_by() const noexcept -> clock::time_point { return decide_by_; }

private:
    void silent() {
        if (!has_cause_) {
            cause_ = code_of(RD_KAFKA_RESP_ERR__TIMED_OUT);
            detail_ = "no answer within " + std::to_string(decision_.count()) + " ms";
            has_cause_ = true;
        }
        down();
    }
    void down() {
        if (state_.what == link::connecting || state_.what == link::up) {
            state_ = link_state{link::down, cause_, has_cause_ ? detail_ : std::string()};
            refused_.clear();
        }
    }

    std::size_t configured_;
    std::chrono::milliseconds decision_;
    link_state state_;
    clock::time_point decide_by_ = (clock::time_point::max)();
    clock::time_point last_answer_ = (clock::time_point::min)();
    std::map<std::string, int> up_;
    std::map<std::string, int> refused_; ///< since the last answer
    bool has_cause_ = false;
    std::error_code cause_ = code_of(RD_KAFKA_RESP_ERR__TRANSPORT);
    std::string detail_;
};

} // namespace cobus::detail::kafka
