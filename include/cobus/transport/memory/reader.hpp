#pragma once

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
    memory_reader(memory_partition& from, memory_cursor& group, wake_gate& wakes) noexcept
        : partition(&from), cursor(&group), gate(&wakes) {}

    /// Everything below was given back.
    void give_back(std::int64_t offset) noexcept {
        outstanding[offset] = nullptr;
        --unreturned;
        std::int64_t at = low.load(std::memory_order_relaxed);
        if (offset == at) {
            while (at < next && outstanding[at] == nullptr) {
                ++at;
            }
            low.store(at, std::memory_order_release);
        }
    }

    memory_partition* partition;
    memory_cursor* cursor;
    wake_gate* gate;
    topic_partition where;
    std::uint32_t epoch = 0;
    memory_reading how = memory_reading::original;
    bool held = false;
    bool retired = false;     ///< the assignment is over; handlers still read
    std::int64_t next = 0;    ///< to be delivered
    std::int64_t behind = -1; ///< committed up to here before it was given back
    std::size_t unreturned = 0;
    numbered_ring<message*> outstanding;      ///< from `low` to `next`; null when given back
    std::atomic<std::int64_t> low{0};         ///< the log keeps everything from here on
    std::atomic<bool> waiting{false};         ///< the next append claims a wake
    std::unique_ptr<memory_reader> following; ///< in a list of retired ones
};

} // namespace cobus::detail
