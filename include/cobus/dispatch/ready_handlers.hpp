#pragma once

#include "local_job.hpp"
#include "registration.hpp"

#include <memory>
#include <vector>

namespace cobus::detail {

/// The handlers of a bus, and which of them have jobs ready. Home only.
class ready_handlers {
public:
    explicit ready_handlers(dispatch_host& home) noexcept : late_(home) {}

    void reset(const std::vector<std::shared_ptr<registration>>& all) {
        while (registration* each = listed_.pop()) { // one that goes has nothing ready
            each->listed = false;
        }
        all_ = all;
        for (const auto& each : all_) {
            list(*each);
        }
    }
    /// It may run when its handler's turn comes.
    void add(job& work) noexcept {
        work.handler->ready.push(work);
        list(*work.handler);
    }
    void list(registration& handler) noexcept {
        if (!handler.listed && !handler.ready.empty()) {
            handler.listed = true;
            listed_.push(handler);
        }
    }
    /// The next that has jobs ready, or null; it is not listed any more.
    [[nodiscard]] auto next() noexcept -> registration* {
        registration* handler = listed_.pop();
        if (handler != nullptr) {
            handler->listed = false;
        }
        return handler;
    }
    [[nodiscard]] auto empty() const noexcept -> bool { return listed_.empty(); }

    template <class Predicate, class Sink> void remove_if(Predicate unwanted, Sink sink) {
        for (const auto& handler : all_) { // those behind others first: they hold no lane
            handler->lanes.remove_if(unwanted, sink);
        }
        for (const auto& handler : all_) {
            handler->ready.remove_if(unwanted, sink);
        }
    }
    /// Asks handlers to end that nobody waits for any more, if there are such.
    void cancel_late() {
        if (late_.take()) {
            for (const auto& handler : all_) {
                handler->cancel([](const job& work) { return late_runs::is_late(work); });
            }
        }
    }
    [[nodiscard]] auto late() noexcept -> late_runs& { return late_; }
    /// Asks running handlers of abandoned messages to end.
    void cancel_abandoned() {
        for (const auto& handler : all_) {
            handler->cancel([](const job& work) { return work.of->abandoned; });
        }
    }

private:
    late_runs late_;
    std::vector<std::shared_ptr<registration>> all_;
    queue<registration> listed_; ///< those with jobs ready, but for those at their own limit
};

} // namespace cobus::detail
