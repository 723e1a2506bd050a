#pragma once

#include "job.hpp"
#include "lane_of.hpp"
#include "registration.hpp"

namespace cobus::detail {

/// A message for a handler: the job of that index.
inline void expect(record& of, std::size_t index, registration& handler) noexcept {
    job& work = job_of(of, index);
    work.of = &of;
    work.handler = &handler;
    work.local = of.from.content->run();
    ++handler.unfinished;
}

/// The next job of a handler that may run; those whose lane is busy are put behind it.
[[nodiscard]] inline auto take(registration& handler) noexcept -> job* {
    while (job* next = handler.ready.pop()) {
        if (next->in_lane || handler.lanes.busy() == 0) {
            return next; // nobody is suspended, so no lane can be taken
        }
        next->lane = lane_of(*next);
        if (handler.lanes.enter(*next)) {
            return next;
        }
    }
    return nullptr;
}

} // namespace cobus::detail
