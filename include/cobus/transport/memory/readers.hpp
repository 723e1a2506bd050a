#pragma once

#include "partition.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace cobus::detail {

/// What one stream reads: its assigned partitions, those about to come or go, and those that went
/// while handlers still read from them. Only the stream's own calls come here.
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
    void come(reader_ptr reader) noexcept { moving_.push_back(std::move(reader)); }
    void go(const topic_partition& where) noexcept {
        const auto found = std::find_if(active_.begin(), active_.end(),
                                        [&](const auto& each) { return each->where == where; });
        moving_.push_back(std::move(*found));
        active_.erase(found);
    }
    /// Those that come are here.
    void arrive() noexcept {
        for (auto& each : moving_) {
            active_.push_back(std::move(each));
        }
        moving_.clear();
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
        for (auto* all : {&active_, &moving_}) {
            for (std::size_t i = 0; i < all->size(); ++i) {
                const std::size_t at = (found_ + i) % all->size(); // they are asked for in turn
                if ((*all)[at]->where == where && (*all)[at]->epoch == epoch) {
                    found_ = at;
                    return (*all)[at].get();
                }
            }
        }
        return nullptr;
    }
    /// True: something is to be had from it again.
    [[nodiscard]] auto hold(const topic_partition& where, bool held) noexcept -> bool {
        for (const auto& each : active_) {
            if (each->where == where && each->held != held) {
                each->held = held;
                return !held && !each->partition->wait(*each);
            }
        }
        return false;
    }

    // --- messages

    /// May throw `std::bad_alloc`, and then has taken nothing.
    [[nodiscard]] auto take(std::span<delivery> room) -> std::size_t {
        std::size_t count = 0;
        const std::size_t all = active_.size();
        for (std::size_t i = 0; i < all && count < room.size(); ++i) {
            turn_ = turn_ + 1 < all ? turn_ + 1 : 0;
            memory_reader& reader = *active_[turn_];
            if (!reader.held && reader.partition->end() > reader.next) {
                try {
                    count += take(reader, room.subspan(count));
                } catch (const std::bad_alloc&) {
                    return count > 0 ? count : throw;
                }
            }
        }
        return count;
    }
    /// True: each reader has nothing, and the next message claims its wake.
    [[nodiscard]] auto wait() noexcept -> bool {
        return std::all_of(active_.begin(), active_.end(), [](const auto& each) {
            return each->held || each->waiting.load(std::memory_order_seq_cst) ||
                   each->partition->wait(*each);
        });
    }
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
    [[nodiscard]] static auto take(memory_reader& reader, std::span<delivery> room) -> std::size_t {
        const auto there = static_cast<std::size_t>(reader.partition->end() - reader.next);
        room = room.first((std::min)(room.size(), there));
        const std::int64_t low = reader.low.load(std::memory_order_relaxed);
        const auto span = static_cast<std::size_t>(reader.next - low);
        reader.outstanding.reserve(low, span, span + room.size());
        const std::size_t count = reader.partition->read(reader, room);
        for (std::size_t i = 0; i < count; ++i) {
            delivery& each = room[i];
            if (reader.how == memory_reading::borrowed && !lend(each)) {
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
        reader->waiting.store(false, std::memory_order_relaxed);
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

    std::vector<reader_ptr> active_; ///< assigned, and messages flow
    std::vector<reader_ptr> moving_; ///< told to come or go, and not yet settled
    reader_ptr retired_;             ///< over, but handlers still read what they gave
    std::size_t turn_ = 0;
    std::size_t found_ = 0;
};

} // namespace cobus::detail
