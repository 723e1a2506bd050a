#pragma once

#include "../transport/transport.hpp"

#include <chrono>
#include <cstdint>
#include <vector>

namespace cobus::degrade {

/// For how long the same event has been the oldest that waits on its route. Asked again and again,
/// each time about all routes on which something waits, the oldest first.
class oldest_waiting {
public:
    using clock = std::chrono::steady_clock;

    /// Adds the route to `waiting` if it was not seen at this time yet.
    void note(const topic_partition& where, std::chrono::milliseconds age, std::uint64_t sequence,
              clock::time_point now, std::vector<waiting_route>& waiting) {
        for (entry& each : all_) {
            if (each.where != where) {
                continue;
            }
            if (each.seen == now) {
                return; // an older one was
            }
            if (each.sequence != sequence) {
                each.sequence = sequence;
                each.since = now;
            }
            each.seen = now;
            waiting.push_back(
                {where, age,
                 std::chrono::duration_cast<std::chrono::milliseconds>(now - each.since)});
            return;
        }
        all_.push_back({where, sequence, now, now});
        waiting.push_back({where, age, {}});
    }
    /// Nothing waits on the others.
    void end(clock::time_point now) noexcept {
        std::erase_if(all_, [now](const entry& each) { return each.seen != now; });
    }

private:
    struct entry {
        topic_partition where;
        std::uint64_t sequence;
        clock::time_point since;
        clock::time_point seen;
    };
    std::vector<entry> all_;
};

} // namespace cobus::degrade
