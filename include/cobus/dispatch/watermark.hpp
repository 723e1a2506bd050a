#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace cobus {

/// Which offset of a partition may be committed: the lowest unfinished one. Messages begin in the
/// order of their offsets and finish in any; offsets that never begin (compacted ones, transaction
/// markers) hold nothing up. Pure; not thread-safe.
class watermark {
public:
    using ticket = std::uint64_t;

    /// `offset` must lie above all that began before.
    [[nodiscard]] auto begin(std::int64_t offset) -> ticket {
        running_.push_back(entry{offset, false});
        next_ = offset + 1;
        return first_ + running_.size() - 1;
    }

    void finish(ticket which) {
        running_[static_cast<std::size_t>(which - first_)].finished = true;
        while (!running_.empty() && running_.front().finished) {
            running_.pop_front();
            ++first_;
        }
    }

    /// Everything below is finished; −1 before the first message.
    [[nodiscard]] auto committable() const noexcept -> std::int64_t {
        return running_.empty() ? next_ : running_.front().offset;
    }
    /// From the lowest unfinished to the highest begun.
    [[nodiscard]] auto span() const noexcept -> std::size_t { return running_.size(); }

private:
    struct entry {
        std::int64_t offset;
        bool finished;
    };

    std::deque<entry> running_;
    ticket first_ = 0;
    std::int64_t next_ = -1;
};

} // namespace cobus
