#pragma once

#include "admission.hpp"
#include "job.hpp"
#include "lane_of.hpp"
#include "lanes.hpp"
#include "registration.hpp"

namespace cobus::detail {

[[nodiscard]] inline auto in_batches(const registration& handler) noexcept -> bool {
    return handler.gate != nullptr && handler.gate->in_batches();
}

/// A message for a handler: the job of that index.
inline void expect(record& of, std::size_t index, registration& handler) noexcept {
    job& work = job_of(of, index);
    work.of = &of;
    work.handler = &handler;
    work.local = of.from.content->run();
    ++handler.unfinished;
}

/// A job that did not end at once keeps its lane.
inline void keep_lane(job& work) {
    if (!work.in_lane) {
        work.lane = lane_of(work);
        if (in_batches(*work.handler)) {
            work.in_lane = true; // as its gate knows
        } else {
            work.handler->lanes.keep(work);
        }
    }
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
