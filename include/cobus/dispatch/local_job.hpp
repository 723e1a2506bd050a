#pragma once

#include "../local_run.hpp"
#include "job.hpp"
#include "registration.hpp"

namespace cobus::detail {

// Jobs of events that are handled in process and kept for Kafka as well: the spool decides whether
// such a job may still begin, and is told how it ended. Others pass with one test of a pointer.

/// False: Kafka brings the event again, and the handler runs then.
[[nodiscard]] inline auto may_begin(job& work) noexcept -> bool {
    if (work.local == nullptr || work.begun) {
        return true;
    }
    return work.begun = work.local->begin();
}

/// It does not run now. `settled`: nor needs it to run again.
inline void ends_here(job& work, bool settled) {
    if (work.begun) {
        work.begun = false;
        work.local->end(work.handler->name(), settled);
    }
}

} // namespace cobus::detail
