#pragma once

#include "../../detail/inbox.hpp"
#include "../../detail/wake_gate.hpp"
#include "cursor.hpp"
#include "ring.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace cobus::detail {

class memory_partition;

/// What a group gets of a message that lies in the log.
enum class memory_reading : unsigned char {
    original, ///< the message itself: one group only, since its handlers' bus may add forms to it
    borrowed, ///< a message of its own that shares the texts and the typed payload
};

/// One assignment of a partition: where its stream reads, and what it has not given back. Only the
/// stream uses it, but for the atomics.
struct memory_reader {
    memory_reader(memory_partition& from, memory_cursor& group, inbox<memory_reader>& calls,
                  wake_gate& wakes) noexcept
        : called(&calls), gate(&wakes), partition(&from), cursor(&group) {}

    /// Everything below was given back.
    void give_back(std::int64_t offset) noexcept {
        --unreturned;
        std::int64_t at = low.load(std::memory_order_relaxed);
        if (offset != at) {
            outstanding[offset] = nullptr;
            ++ahead;
            return;
        }
        for (++at; ahead > 0 && outstanding[at] == nullptr; ++at) {
            --ahead;
        }
        low.store(at, std::memory_order_release);
    }

    // What an append and the next read look at comes first, in one line of the cache.
    bool waiting = false; ///< the next append calls it; under the partition's lock
    bool held = false;
    bool parked = false;  ///< had something to read while it was held
    bool retired = false; ///< the assignment is over; handlers still read
    memory_reading how = memory_reading::original;
    inbox<memory_reader>* called; ///< of its stream: those that have something to read again
    wake_gate* gate;
    memory_reader* inbox_next = nullptr;
    memory_reader* queue_next = nullptr;
    std::int64_t next = 0; ///< to be delivered
    memory_partition* partition;
    std::atomic<std::int64_t> low{0};    ///< the log keeps everything from here on
    numbered_ring<message*> outstanding; ///< from `low` to `next`; null when given back
    topic_partition where;
    std::uint32_t epoch = 0;
    memory_cursor* cursor;
    std::int64_t behind = -1; ///< committed up to here before it was given back
    std::size_t unreturned = 0;
    std::size_t ahead = 0;                    ///< given back above `low`
    std::unique_ptr<memory_reader> following; ///< in a list of retired ones
};

} // namespace cobus::detail
