#pragma once

#include "job.hpp"
#include "match.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <utility>

namespace cobus::detail {

/// Messages that came together and go to the same handlers, which take them one after another
/// without a queue in between. Records that are through serve those that come next. Home only.
class volley {
public:
    static constexpr std::size_t most = 64;

    volley() = default;
    volley(const volley&) = delete;
    auto operator=(const volley&) -> volley& = delete;
    ~volley() {
        for (std::size_t i = 0; i < most; ++i) {
            forget(i);
        }
    }

    /// Makes ready for another message to so many handlers. May throw `std::bad_alloc`, and then
    /// nothing has changed.
    void reserve(std::size_t handlers) {
        record*& place = records_[count_];
        if (place != nullptr && place->handlers != handlers) {
            forget(count_);
        }
        if (place == nullptr) {
            place = make_record(handlers);
        }
    }
    /// After `reserve` for as many handlers.
    void add(const match_table::handlers& handlers, const delivery& from, partition_state& at,
             watermark::ticket ticket) noexcept {
        record& item = *records_[count_++];
        item.from = from;
        item.partition = &at;
        item.ticket = ticket;
        item.unfinished = item.handlers;
        item.together = true;
        for (std::size_t i = 0; i < item.handlers; ++i) {
            job& work = job_of(item, i); // as it was made, or as it ended well
            work.of = &item;
            work.handler = handlers[i];
            work.settled = false;
        }
    }
    [[nodiscard]] auto records() const noexcept -> std::span<record* const> {
        return std::span(records_).first(count_);
    }
    [[nodiscard]] auto empty() const noexcept -> bool { return count_ == 0; }
    void clear() noexcept { count_ = 0; }

    /// Somebody else has that record from now on.
    void release(std::size_t index) noexcept { records_[index] = nullptr; }
    void forget(std::size_t index) noexcept {
        if (record* gone = std::exchange(records_[index], nullptr)) {
            erase(*gone);
        }
    }

    // One handler after another.

    void turn_of(std::size_t handler) noexcept {
        handler_ = handler;
        next_ = 0;
    }
    /// The next job of the handler whose turn it is, or null.
    [[nodiscard]] auto next() noexcept -> job* {
        return next_ < count_ ? &job_of(*records_[next_++], handler_) : nullptr;
    }

private:
    std::array<record*, most> records_{}; ///< `count_` in use, then some that are kept
    std::size_t count_ = 0;
    std::size_t handler_ = 0;
    std::size_t next_ = 0;
};

} // namespace cobus::detail
