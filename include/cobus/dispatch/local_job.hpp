#pragma once

#include "../local_run.hpp"
#include "job.hpp"
#include "registration.hpp"

#include <atomic>

namespace cobus::detail {

// Jobs of events that are handled in process and kept for Kafka as well: the spool decides whether
// such a job may still begin, and is told how it ended. Others pass with one test of a pointer.

/// Whether some such job runs for longer than it is waited for. Set from any thread.
class late_runs {
public:
    explicit late_runs(dispatch_host& home) noexcept : home_(&home) {}

    static void told(void* self) noexcept {
        auto& me = *static_cast<late_runs*>(self);
        me.some_.store(true, std::memory_order_release);
        me.home_->wake();
    }
    [[nodiscard]] auto take() noexcept -> bool {
        return some_.load(std::memory_order_relaxed) &&
               some_.exchange(false, std::memory_order_acq_rel);
    }
    [[nodiscard]] static auto is_late(const job& work) -> bool {
        return work.begun && work.local->forgotten();
    }

private:
    dispatch_host* home_;
    std::atomic<bool> some_{false};
};

/// False: Kafka brings the event again, and the handler runs then.
[[nodiscard]] inline auto may_begin(job& work, late_runs& late) noexcept -> bool {
    if (work.local == nullptr || work.begun) {
        return true;
    }
    return work.begun = work.local->begin(&late_runs::told, &late);
}

/// It does not run now. `settled`: nor needs it to run again.
inline void ends_here(job& work, bool settled) {
    if (work.begun) {
        work.begun = false;
        work.local->end(work.handler->name(), settled);
    }
}

} // namespace cobus::detail
