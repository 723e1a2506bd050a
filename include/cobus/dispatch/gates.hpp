#pragma once

#include "admission.hpp"
#include "lane_of.hpp"
#include "registration.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cobus::detail {

/// Puts a gate before a handler whose options want one.
inline void give_gate(registration& handler, std::string_view group) {
    const handler_options& how = handler.options();
    if (how.time_limit() || how.breaker() || how.rate() || how.batch() || how.deduplication()) {
        handler.gate = std::make_unique<admission>(
            how, group, [host = &handler.host()](log_level level, const std::string& text) {
                host->log(level, text);
            });
    }
}

/// The handlers that have a gate. Home only.
class gates {
public:
    using clock = std::chrono::steady_clock;

    void reset(const std::vector<std::shared_ptr<registration>>& all) {
        all_.clear();
        for (const auto& each : all) {
            if (each->gate != nullptr) {
                all_.push_back(each.get());
            }
        }
    }
    [[nodiscard]] auto empty() const noexcept -> bool { return all_.empty(); }
    [[nodiscard]] auto begin() const noexcept { return all_.begin(); }
    [[nodiscard]] auto end() const noexcept { return all_.end(); }

    /// When one of them has to be looked at; `room` says whether a handler may run.
    template <class Predicate> [[nodiscard]] auto due(Predicate room) const -> clock::time_point {
        auto next = (clock::time_point::max)();
        for (const registration* each : all_) {
            next = (std::min)(next, each->gate->due(room(*each)));
        }
        return next;
    }
    /// Cancels runs that take longer than their limit.
    void end_late(clock::time_point now) {
        for (registration* each : all_) {
            if (each->gate->time_is_up(now)) {
                each->cancel([](const job& work) { return work.late; });
            }
        }
    }
    /// Nothing more will come: batches do not wait for it.
    void hurry() noexcept {
        for (registration* each : all_) {
            each->gate->hurry();
        }
    }

private:
    std::vector<registration*> all_;
};

[[nodiscard]] inline auto in_batches(const registration& handler) noexcept -> bool {
    return handler.gate != nullptr && handler.gate->in_batches();
}
/// Nobody else gets its lane before it leaves.
inline void keep_lane(job& work) {
    if (work.in_lane) {
        return;
    }
    work.of->kept_lane = true;
    work.lane = lane_of(work);
    if (in_batches(*work.handler)) {
        work.in_lane = true; // as its gate knows
    } else {
        work.handler->lanes.keep(work);
    }
}

} // namespace cobus::detail
