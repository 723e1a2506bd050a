#pragma once

#include "alarm.hpp"
#include "cluster_watch.hpp"
#include "under_way.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace cobus::detail::kafka {

/// When a producer has to run although nothing woke it. An alarm that comes too early does no harm,
/// so it is not put off. Of the runs.
class due_alarm {
public:
    using clock = std::chrono::steady_clock;

    explicit due_alarm(std::shared_ptr<alarm> bell) noexcept : bell_(std::move(bell)) {}

    void begin(clock::time_point due) noexcept { due_ = due; }
    void at(clock::time_point due) noexcept { due_ = (std::min)(due_, due); }
    void set() noexcept {
        if (due_ < set_ || set_ <= clock::now()) {
            set_ = due_;
            if (due_ != (clock::time_point::max)()) {
                bell_->set(due_);
            }
        }
    }
    void silence() noexcept { bell_->silence(); }

private:
    std::shared_ptr<alarm> bell_;
    clock::time_point due_ = (clock::time_point::max)();
    clock::time_point set_ = (clock::time_point::max)();
};

/// While publishes are under way, answers are due: then the runs look after them. They look on for
/// a second after the last, so that publishing one by one posts nothing.
class silence_watch {
public:
    using clock = std::chrono::steady_clock;

    explicit silence_watch(cluster_watch& watch) noexcept : watch_(&watch) {}

    /// The first publish after none.
    void begins() noexcept { busy_since_.store(clock::now().time_since_epoch().count()); }
    /// A publish is under way. True: a run has to look.
    [[nodiscard]] auto needs_look() noexcept -> bool {
        return !watching_.load(std::memory_order_relaxed) &&
               !watching_.exchange(true, std::memory_order_acq_rel);
    }
    /// Looks, in a run; true: run again.
    [[nodiscard]] auto look(const under_way& nodes, clock::time_point now, due_alarm& next) noexcept
        -> bool {
        std::optional<clock::time_point> waiting;
        bool again = false;
        if (nodes.any()) {
            waiting = clock::time_point(clock::duration(busy_since_.load()));
            watch_until_ = now + watch_on;
        } else if (now >= watch_until_) {
            watching_.store(false, std::memory_order_seq_cst);
            again = nodes.any() && needs_look(); // one came in between
        }
        next.begin(watch_->tick(waiting));
        if (!waiting && now < watch_until_) {
            next.at(watch_until_);
        }
        return again;
    }

private:
    static constexpr std::chrono::milliseconds watch_on{1000};

    cluster_watch* watch_;
    std::atomic<std::int64_t> busy_since_{0};
    std::atomic<bool> watching_{false};
    clock::time_point watch_until_{};
};

} // namespace cobus::detail::kafka
