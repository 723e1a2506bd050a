#pragma once

#include "../../detail/inbox.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

namespace cobus::detail::kafka {

/// What `turns` needs to know of each thing that it gives a turn.
// An aggregate of its users. NOLINTNEXTLINE(bugprone-crtp-constructor-accessibility)
template <class T> struct turn {
    T* inbox_next = nullptr;
    std::atomic<bool> told{false}; ///< in the inbox; only taking it out of there clears this
    bool listed = false;           ///< among those to read
};

/// Reads from many queues in turns of a fair share, looking only at those that said they have
/// something. `T` is a `turn<T>` and says with `readable()` whether it may be read now. Any thread
/// may `tell`; all else is for one thread at a time.
template <class T> class turns {
public:
    /// Room for `count` things, so that nothing allocates while reading.
    void reserve(std::size_t count) { listed_.reserve(count); }

    /// `item` has something to read.
    void tell(T& item) noexcept {
        if (!item.told.exchange(true, std::memory_order_acq_rel)) {
            told_.push(item);
        }
    }
    /// The same, from the thread that reads.
    void list(T& item) noexcept {
        if (!item.listed) {
            item.listed = true;
            listed_.push_back(&item);
        }
    }
    /// Forgets `item`; what it has is not read until it is listed or told of again.
    void unlist(T& item) noexcept {
        collect();
        std::erase(listed_, &item);
        item.listed = false;
    }
    void clear() noexcept {
        collect();
        for (T* each : listed_) {
            each->listed = false;
        }
        listed_.clear();
    }

    /// Reads up to `room` messages: `read(item, most)` returns how many it got; fewer than asked
    /// means that its queue was empty.
    template <class Read> auto read(std::size_t room, Read read) -> std::size_t {
        collect();
        std::size_t got = 0;
        while (got < room && !listed_.empty()) {
            const std::size_t share =
                (std::min)(room - got, (std::max<std::size_t>)(16, room / listed_.size()));
            T& next = *listed_.front();
            listed_.erase(listed_.begin());
            next.listed = false;
            if (!next.readable()) {
                continue;
            }
            const std::size_t count = read(next, share);
            got += count;
            if (count == share) {
                list(next);
            }
        }
        return got;
    }

private:
    /// Whoever tells from here on tells anew, and what was told before is seen by the next read.
    void collect() noexcept {
        for (T* each = told_.take(); each != nullptr;) {
            T* const next = each->inbox_next;
            (void)each->told.exchange(false, std::memory_order_acq_rel);
            if (each->readable()) {
                list(*each);
            }
            each = next;
        }
    }

    inbox<T> told_;
    std::vector<T*> listed_;
};

} // namespace cobus::detail::kafka
