#pragma once

#include "../../detail/queue.hpp"
#include "partition.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace cobus::detail {

/// What one stream reads: its assigned partitions, those about to come or go, and those that went
/// while handlers still read from them. A partition that was read empty calls its reader with the
/// next message, so that only those are looked at that have something. Only the stream's own calls
/// come here.
class memory_readers {
public:
    using reader_ptr = std::unique_ptr<memory_reader>;

    memory_readers() = default;
    memory_readers(const memory_readers&) = delete;
    auto operator=(const memory_readers&) -> memory_readers& = delete;
    ~memory_readers() {
        for (auto* all : {&active_, &moving_}) {
            for (auto& each : *all) {
                discard(std::move(each));
            }
        }
        while (retired_) {
            discard(std::exchange(retired_, std::move(retired_->following)));
        }
    }

    // --- assignments

    /// Room for so many to come or go. May throw `std::bad_alloc`.
    void reserve(std::size_t count) {
        active_.reserve(active_.size() + count);
        moving_.reserve(active_.size() + count);
    }
    [[nodiscard]] auto make(memory_partition& from, memory_cursor& group, wake_gate& gate)
        -> reader_ptr {
        return std::make_unique<memory_reader>(from, group, called_, gate);
    }
    void come(reader_ptr reader) noexcept { moving_.push_back(std::move(reader)); }
    void go(const topic_partition& where) noexcept {
        const auto found = active_.begin() + static_cast<std::ptrdiff_t>(place_of(where));
        forget(**found);
        moving_.push_back(std::move(*found));
        active_.erase(found);
    }
    /// Those that come are here.
    void arrive() noexcept {
        for (auto& each : moving_) {
            ready_.push(*each);
            active_.push_back(std::move(each));
        }
        moving_.clear();
        std::sort(active_.begin(), active_.end(),
                  [](const auto& a, const auto& b) { return a->where < b->where; });
    }
    /// Those that go are gone.
    void depart() noexcept {
        for (auto& each : moving_) {
            retire(std::move(each));
        }
        moving_.clear();
    }
    void depart_all() noexcept {
        depart();
        for (auto& each : active_) {
            retire(std::move(each));
        }
        active_.clear();
    }
    [[nodiscard]] auto size() const noexcept -> std::size_t { return active_.size(); }
    /// The assignment of that epoch, while it is not over; else null.
    [[nodiscard]] auto find(const topic_partition& where, std::uint32_t epoch) noexcept
        -> memory_reader* {
        if (memory_reader* found = active(where); found != nullptr && found->epoch == epoch) {
            return found;
        }
        const auto found = std::find_if(moving_.begin(), moving_.end(), [&](const auto& each) {
            return each->where == where && each->epoch == epoch;
        });
        return found != moving_.end() ? found->get() : nullptr;
    }
    /// True: something is to be had from it again.
    [[nodiscard]] auto hold(const topic_partition& where, bool held) noexcept -> bool {
        memory_reader* const found = active(where);
        if (found != nullptr) {
            found->held = held;
            if (!held && std::exchange(found->parked, false)) {
                ready_.push(*found);
                return true;
            }
        }
        return false;
    }

    // --- messages

    /// May throw `std::bad_alloc`, and then has taken nothing.
    [[nodiscard]] auto take(std::span<delivery> room) -> std::size_t {
        std::size_t count = 0;
        hear();
        while (count < room.size()) {
            memory_reader* const next = ready_.pop();
            if (next == nullptr) {
                break;
            }
            if (next->held) {
                next->parked = true;
                continue;
            }
            try {
                count += take(*next, room.subspan(count));
            } catch (const std::bad_alloc&) {
                return count > 0 ? count : throw;
            }
        }
        return count;
    }
    /// Nothing is to be had, and the next message claims the stream's wake. Asked after announcing
    /// that the stream sleeps.
    [[nodiscard]] auto dry() const noexcept -> bool { return ready_.empty() && called_.empty(); }
    void give_back(std::span<delivery> finished) noexcept {
        for (const delivery& each : finished) {
            auto& reader = *reinterpret_cast<memory_reader*>(each.handle); // NOLINT: `take` put it
            if (reader.how == memory_reading::borrowed) {
                pool_delete(each.content);
            }
            reader.give_back(each.offset);
            if (reader.retired) {
                returned_late(reader);
            } else if (reader.behind >= 0 &&
                       reader.low.load(std::memory_order_relaxed) >= reader.behind) {
                reader.behind = -1;
                reader.partition->tidy();
            }
        }
    }

private:
    /// Where a partition is among the active, or would be.
    [[nodiscard]] auto place_of(const topic_partition& where) const noexcept -> std::size_t {
        // They are consecutive, as a rule: from the one found last, count.
        if (found_ < active_.size()) {
            const topic_partition& last = active_[found_]->where;
            const std::size_t guess = found_ + static_cast<std::size_t>(where.partition) -
                                      static_cast<std::size_t>(last.partition);
            if (guess < active_.size() && active_[guess]->where == where) {
                return guess;
            }
        }
        const auto found = std::lower_bound(
            active_.begin(), active_.end(), where,
            [](const auto& each, const topic_partition& asked) { return each->where < asked; });
        return static_cast<std::size_t>(found - active_.begin());
    }
    [[nodiscard]] auto active(const topic_partition& where) noexcept -> memory_reader* {
        found_ = place_of(where);
        return found_ < active_.size() && active_[found_]->where == where ? active_[found_].get()
                                                                          : nullptr;
    }

    /// Those that were called have something.
    void hear() noexcept {
        for (memory_reader* each = called_.take(); each != nullptr;) {
            memory_reader* const next = each->inbox_next;
            ready_.push(*each);
            each = next;
        }
    }
    /// Nobody calls it any more, and it is not read.
    void forget(memory_reader& reader) noexcept {
        reader.partition->stop_waiting(reader);
        hear();
        ready_.remove_if([&reader](const memory_reader& each) { return &each == &reader; },
                         [](memory_reader& /*gone*/) {});
        reader.parked = false;
    }

    /// Takes from a reader that is in no list, and then is, or is called.
    [[nodiscard]] auto take(memory_reader& reader, std::span<delivery> room) -> std::size_t {
        const auto there = static_cast<std::size_t>(reader.partition->end() - reader.next);
        room = room.first((std::min)(room.size(), there));
        const std::int64_t low = reader.low.load(std::memory_order_relaxed);
        const auto span = static_cast<std::size_t>(reader.next - low);
        try {
            reader.outstanding.reserve(low, span, span + room.size());
        } catch (const std::bad_alloc&) {
            ready_.push(reader);
            throw;
        }
        const auto [count, more] = reader.partition->read(reader, room);
        if (more) {
            ready_.push(reader);
        }
        for (std::size_t i = 0; i < count; ++i) {
            delivery& each = room[i];
            if (reader.how == memory_reading::borrowed && !lend(each)) {
                if (!more && reader.partition->stop_waiting(reader)) {
                    ready_.push(reader);
                }
                return i > 0 ? i : throw std::bad_alloc();
            }
            each.where = reader.where;
            each.epoch = reader.epoch;
            each.handle = reinterpret_cast<std::uintptr_t>(&reader); // NOLINT: comes back
            each.in_process = true;
            reader.outstanding[each.offset] = each.content;
            ++reader.unreturned;
            reader.next = each.offset + 1;
        }
        return count;
    }
    /// Replaces the log's message by one of this group's own. False: no memory.
    [[nodiscard]] static auto lend(delivery& each) noexcept -> bool {
        try {
            message_ptr copy = make_message();
            copy->borrow(*each.content, reinterpret_cast<const box*>(each.handle)); // NOLINT
            each.content = copy.release();
            return true;
        } catch (const std::bad_alloc&) {
            return false;
        }
    }

    /// The assignment is over; the reader stays until all is given back.
    void retire(reader_ptr reader) noexcept {
        reader->retired = true;
        forget(*reader);
        if (reader->unreturned == 0) {
            discard(std::move(reader));
        } else {
            reader->following = std::move(retired_);
            retired_ = std::move(reader);
        }
    }
    void returned_late(memory_reader& reader) noexcept {
        if (reader.unreturned > 0) {
            reader.partition->tidy();
            return;
        }
        reader_ptr* each = &retired_;
        while (each->get() != &reader) {
            each = &(*each)->following;
        }
        reader_ptr over = std::move(*each);
        *each = std::move(over->following);
        discard(std::move(over));
    }
    static void discard(reader_ptr reader) noexcept {
        memory_partition& partition = *reader->partition;
        partition.detach(*reader);
        if (reader->how == memory_reading::borrowed && reader->unreturned > 0) {
            for (std::int64_t at = reader->low; at < reader->next; ++at) {
                if (message* copy = reader->outstanding[at]) {
                    pool_delete(copy);
                }
            }
        }
        partition.tidy();
    }

    inbox<memory_reader> called_;    ///< by an append, from any thread
    queue<memory_reader> ready_;     ///< of the active: that have something, as far as known
    std::vector<reader_ptr> active_; ///< assigned, and messages flow; by topic and number
    std::vector<reader_ptr> moving_; ///< told to come or go, and not yet settled
    reader_ptr retired_;             ///< over, but handlers still read what they gave
    std::size_t found_ = 0;          ///< among the active, last
};

} // namespace cobus::detail
