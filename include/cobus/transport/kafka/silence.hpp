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
/// a second after the last, so that publishing one by one posts nothing. When nothing is under way
/// they look each two seconds, and ask the cluster something if nothing was heard for a second: so
/// a consumer, whose fetches are answered all the time, has nothing asked.
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
        const bool idle = !nodes.any();
        if (!idle) {
            waiting = clock::time_point(clock::duration(busy_since_.load()));
            watch_until_ = now + watch_on;
            asking_since_.reset();
        } else {
            if (now >= watch_until_) {
                watching_.store(false, std::memory_order_seq_cst);
                again = nodes.any() && needs_look(); // one came in between
            }
            waiting = ask(now);
        }
        next.begin(watch_->tick(waiting));
        if (idle && now < watch_until_) {
            next.at(watch_until_);
        }
        if (idle && !nodes.closed()) {
            next.at(asking_since_ ? now + ask_again : look_at_);
        }
        return again;
    }

private:
    static constexpr std::chrono::milliseconds watch_on{1000};
    static constexpr std::chrono::milliseconds look_every{2000};
    static constexpr std::chrono::milliseconds ask_again{1000};

    /// Since when an answer is due to what was asked because nothing else is under way.
    auto ask(clock::time_point now) noexcept -> std::optional<clock::time_point> {
        if (!watch_->up() || (asking_since_ && watch_->answers(now - *asking_since_, now))) {
            asking_since_.reset();
        }
        if (now >= look_at_) {
            look_at_ = on_the_second(now + look_every);
            if (!asking_since_ && watch_->up() && !watch_->answers(watch_on, now)) {
                asking_since_ = now;
            }
        }
        if (asking_since_) {
            watch_->questions().ask();
        }
        return asking_since_;
    }

    cluster_watch* watch_;
    std::atomic<std::int64_t> busy_since_{0};
    std::atomic<bool> watching_{false};
    clock::time_point watch_until_{};
    clock::time_point look_at_{};
    std::optional<clock::time_point> asking_since_;
};

} // namespace cobus::detail::kafka
