#pragma once

#include "runner.hpp"

#include <cstddef>
#include <optional>

// How the runner gives a worker one job after another: parts of `runner`, for who has one.

namespace cobus::detail {

/// Whether its middleware or its retry topics may have an event wait.
[[nodiscard]] inline auto may_hold_back(const registration& handler) noexcept -> bool {
    return handler.gate != nullptr || handler.options().retry_topics();
}

inline auto runner::next_job(worker& free) noexcept -> job* {
    job* const done = free.current;
    if (executing_ != done || !done->ended.well()) {
        return nullptr;
    }
    if (volley_ != nullptr) {
        return next_of(*volley_, free, *done);
    }
    if (may_hold_back(*done->handler)) {
        return nullptr;
    }
    registration& handler = *done->handler;
    executing_ = free.current = nullptr;
    --running_;
    --handler.running;
    judge(*done);
    job* const next = may_run(handler) && !handler.closing ? next_of(handler) : nullptr;
    if (next != nullptr) {
        executing_ = free.current = next;
        ++running_;
        ++handler.running;
    } else {
        handlers_.list(handler); // its limit may have stopped it
    }
    return next;
}

/// As `next_job`, for a job of a volley, which never waited: so there is less to be undone.
inline auto runner::next_of(volley& all, worker& free, job& done) noexcept -> job* {
    registration& handler = *done.handler;
    if (observer_ != nullptr) {
        observer_->ran(done);
        observer_->over(done);
    }
    --handler.unfinished;
    --done.of->unfinished;
    job* const next = takes_at_once(handler) ? all.next() : nullptr;
    executing_ = free.current = next;
    if (next == nullptr) {
        --running_;
        --handler.running;
        handlers_.list(handler);
    }
    return next;
}

inline void runner::run_through(volley& all, const match_table::handlers& handlers) {
    const message& first = *all.records().front()->from.content;
    const auto usual = [&first](const registration& handler) {
        return handler.reads_as_published(first) && !may_hold_back(handler);
    };
    for (std::size_t i = 0; i < handlers.size(); ++i) {
        registration& handler = *handlers[i];
        handler.unfinished += all.records().size();
        all.turn_of(i);
        if (usual(handler)) {
            take_turns(all, handler);
            continue;
        }
        while (job* next = all.next()) {
            launch(*next);
        }
    }
}

inline void runner::take_turns(volley& all, registration& handler) {
    volley_ = &all;
    try {
        std::optional<volley::running> now;
        if (observer_ == nullptr) {
            now.emplace(all, executing_);
        }
        while (takes_at_once(handler) && may_run(handler)) {
            job* const next = all.next();
            if (next == nullptr) {
                break;
            }
            execute(*next);
        }
    } catch (...) {
        wait_for_turn(all);
        throw;
    }
    wait_for_turn(all);
}

/// Those that could not be taken at once.
inline void runner::wait_for_turn(volley& all) noexcept {
    volley_ = nullptr;
    while (job* next = all.next()) {
        handlers_.add(*next);
    }
}

} // namespace cobus::detail
