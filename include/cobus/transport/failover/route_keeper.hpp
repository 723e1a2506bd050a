#pragma once

#include "../../degrade/route_gates.hpp"
#include "../../state.hpp"
#include "../transport.hpp"
#include "line_routes.hpp"
#include "spool_routes.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Looks after routes that are away while Kafka as a whole answers: four times a second while
/// publishes are under way or a gate is closed, and for a second longer, so that publishing one by
/// one costs no alarm each. Of the home, but for `begins`.
class route_keeper {
public:
    using clock = std::chrono::steady_clock;

    route_keeper(transport& kafka, spool_routes& kept, line_routes& others,
                 std::chrono::milliseconds damping)
        : kafka_(kafka), kept_(kept), others_(others), gates_(damping) {}

    /// A publish went to Kafka's client. True: the home has to look. Any thread.
    [[nodiscard]] auto begins() noexcept -> bool {
        return !watching_.load(std::memory_order_relaxed) &&
               !watching_.exchange(true, std::memory_order_acq_rel);
    }
    /// True: which gates are closed has changed. `up`: Kafka as a whole answers.
    auto run(clock::time_point now, bool up) -> bool {
        bool changed = false;
        if (!gates_.all().empty()) {
            changed = open(now);
        }
        if (now >= next_look_ && (watching_.load(std::memory_order_acquire) || any())) {
            changed = look(now, up) || changed;
        }
        return changed;
    }
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        return watching_.load(std::memory_order_acquire) || any()
                   ? (std::min)(next_look_, gates_.due())
                   : (clock::time_point::max)();
    }

    [[nodiscard]] auto any() const noexcept -> bool { return !gates_.all().empty(); }
    /// The state of all is that of the worst.
    void worst(health& all) const {
        all.what = state::degraded;
        all.since = (clock::time_point::max)();
        for (const auto& [where, each] : gates_.all()) {
            all.routes.push_back({*where.topic, where.partition, each.since, each.cause, each.why});
            if (each.since < all.since) {
                all.since = each.since;
                all.cause = each.cause;
                all.why = each.why;
            }
        }
    }

private:
    static constexpr std::chrono::milliseconds every{250};
    static constexpr std::chrono::milliseconds watch_on{1000};

    auto look(clock::time_point now, bool up) -> bool {
        next_look_ = now + every;
        waiting_.clear();
        const bool busy = look_at_all(now);
        if (busy) {
            watch_until_ = now + watch_on;
        } else if (now >= watch_until_) {
            watching_.store(false, std::memory_order_seq_cst);
            if (look_at_all(now)) {
                watching_.store(true, std::memory_order_release); // one came in between
            }
        }
        bool changed = false;
        if (up && (!waiting_.empty() || any())) { // who leads is to be known, too
            for (const route_trouble& each : kafka_.routes_away(waiting_)) {
                if (gates_.away(each, now)) {
                    kept_.close(each.where, now);
                    others_.close(each.where);
                    changed = true;
                }
            }
        }
        if (any()) {
            kept_.sweep(now);
            ask(now);
        }
        return changed;
    }
    auto look_at_all(clock::time_point now) -> bool {
        const bool kept = kept_.look(now, waiting_);
        return others_.look(now, waiting_) || kept;
    }
    auto open(clock::time_point now) -> bool {
        for (const topic_partition& each : kept_.answered()) {
            gates_.answered(each);
        }
        for (const topic_partition& each : others_.answered()) {
            gates_.answered(each);
        }
        const std::vector<topic_partition> some = gates_.open(now);
        for (const topic_partition& each : some) {
            kept_.open(each);
            others_.open(each);
        }
        return !some.empty();
    }
    /// Where nothing is under way that would tell.
    void ask(clock::time_point now) {
        for (const auto& [where, each] : gates_.all()) {
            if (gates_.asks(where, now) && !kept_.under_way(where) && !others_.under_way(where)) {
                due_.push_back(where);
            }
        }
        for (const topic_partition& each : std::exchange(due_, {})) {
            gates_.asked(each, kafka_.probe(each), now);
        }
    }

    transport& kafka_;
    spool_routes& kept_;
    line_routes& others_;
    degrade::route_gates gates_;
    std::atomic<bool> watching_{false};
    clock::time_point next_look_{};
    clock::time_point watch_until_{};
    std::vector<waiting_route> waiting_;
    std::vector<topic_partition> due_;
};

} // namespace cobus::detail
