#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace cobus {

/// Which offset of a partition may be committed: the lowest unfinished one. Messages begin in the
/// order of their offsets and finish in any; offsets that never begin (compacted ones, transaction
/// markers) hold nothing up. Pure; not thread-safe.
class watermark {
public:
    using ticket = std::uint64_t;

    /// `offset` must lie above all that began before. May throw `std::bad_alloc`.
    [[nodiscard]] auto begin(std::int64_t offset) -> ticket {
        if (span() == ring_.size()) {
            grow();
        }
        at(last_) = entry{offset, false};
        next_ = offset + 1;
        return last_++;
    }

    void finish(ticket which) noexcept {
        if (which != first_) {
            at(which).finished = true;
            ++ahead_;
            return;
        }
        for (++first_; ahead_ > 0 && at(first_).finished; ++first_) {
            --ahead_;
        }
    }

    /// Everything below is finished; −1 before the first message.
    [[nodiscard]] auto committable() const noexcept -> std::int64_t {
        return first_ == last_ ? next_ : ring_[first_ & (ring_.size() - 1)].offset;
    }
    /// From `committable()` to the highest that is finished, the lengths of runs of unfinished and
    /// of finished offsets in turn, unfinished first; nothing when none is finished out of order.
    void runs(std::vector<std::int64_t>& lengths) const {
        lengths.clear();
        std::int64_t begin = committable(); // of the run that grows
        std::int64_t next = begin;
        for (ticket at = first_; at != last_; ++at) {
            const entry& each = ring_[at & (ring_.size() - 1)];
            const bool finished_run = lengths.size() % 2 == 1;
            if (each.finished != finished_run) { // offsets between messages count as finished
                const std::int64_t end = each.finished ? next : each.offset;
                lengths.push_back(end - begin);
                begin = end;
            } else if (!each.finished && each.offset > next) {
                lengths.push_back(next - begin);
                lengths.push_back(each.offset - next);
                begin = each.offset;
            }
            next = each.offset + 1;
        }
        if (lengths.size() % 2 == 1) {
            lengths.push_back(next - begin);
        }
    }
    /// From the lowest unfinished to the highest begun.
    [[nodiscard]] auto span() const noexcept -> std::size_t {
        return static_cast<std::size_t>(last_ - first_);
    }

private:
    struct entry {
        std::int64_t offset = 0;
        bool finished = false;
    };

    [[nodiscard]] auto at(ticket which) noexcept -> entry& {
        return ring_[which & (ring_.size() - 1)];
    }
    [[gnu::noinline]] void grow() {
        std::vector<entry> larger(ring_.empty() ? 16 : 2 * ring_.size());
        for (ticket each = first_; each != last_; ++each) {
            larger[each & (larger.size() - 1)] = at(each);
        }
        ring_ = std::move(larger);
    }

    std::vector<entry> ring_; ///< its size is a power of two
    ticket first_ = 0;
    ticket last_ = 0;
    std::size_t ahead_ = 0; ///< finished above the lowest unfinished
    std::int64_t next_ = -1;
};

} // namespace cobus
