#pragma once

#include "../transport/transport.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::degrade {

/// The gates of routes that are closed while Kafka as a whole answers. Does no I/O and knows no
/// clock.
///
/// A gate closes when its route is said to be away, stays closed for the damping, and opens when a
/// request on its route was answered after the last time that it was said to be away.
class route_gates {
public:
    using clock = std::chrono::steady_clock;

    struct gate {
        clock::time_point since;
        std::error_code cause;
        std::string why;
        bool answered = false;
        clock::time_point ask_at;
    };

    explicit route_gates(std::chrono::milliseconds damping,
                         std::chrono::milliseconds ask_every = std::chrono::seconds(1)) noexcept
        : damping_(damping), ask_every_(ask_every) {}

    /// True: it was open.
    [[nodiscard]] auto away(const route_trouble& seen, clock::time_point now) -> bool {
        const auto [place, is_new] = all_.try_emplace(seen.where);
        gate& it = place->second;
        it.answered = false;
        if (is_new) {
            it.since = now;
            it.ask_at = now + ask_every_;
            it.cause = seen.cause;
            it.why = seen.detail;
        }
        return is_new;
    }
    /// A request on the route was answered.
    void answered(const topic_partition& where) noexcept {
        const auto found = all_.find(where);
        if (found != all_.end()) {
            found->second.answered = true;
        }
    }
    /// Those that open now.
    [[nodiscard]] auto open(clock::time_point now) -> std::vector<topic_partition> {
        std::vector<topic_partition> some;
        for (const auto& [where, each] : all_) {
            if (each.answered && now >= each.since + damping_) {
                some.push_back(where);
            }
        }
        for (const topic_partition& each : some) {
            all_.erase(each);
        }
        return some;
    }
    /// Whether to ask on the route, or after what was asked. One on which something is under way
    /// tells by that.
    [[nodiscard]] auto asks(const topic_partition& where, clock::time_point now) const noexcept
        -> bool {
        const auto found = all_.find(where);
        return found != all_.end() && !found->second.answered && now >= found->second.ask_at;
    }
    /// What became of asking.
    void asked(const topic_partition& where, probed how, clock::time_point now) noexcept {
        const auto found = all_.find(where);
        if (found == all_.end() || how == probed::under_way) {
            return;
        }
        found->second.answered = how == probed::answered;
        found->second.ask_at = now + ask_every_;
    }

    [[nodiscard]] auto all() const noexcept -> const std::map<topic_partition, gate>& {
        return all_;
    }
    [[nodiscard]] auto closed(const topic_partition& where) const noexcept -> bool {
        return all_.contains(where);
    }
    /// When `open` has something to say even if nothing is heard.
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        auto next = (clock::time_point::max)();
        for (const auto& [where, each] : all_) {
            next = each.answered ? (std::min)(next, each.since + damping_) : next;
        }
        return next;
    }

private:
    std::chrono::milliseconds damping_;
    std::chrono::milliseconds ask_every_;
    std::map<topic_partition, gate> all_;
};

} // namespace cobus::degrade
