#pragma once

#include "job.hpp"
#include "match.hpp"
#include "worker.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace cobus::detail {

/// Whether nothing stands between a handler and a job that was just made: nobody waits before it,
/// and no lane is taken.
[[nodiscard]] inline auto takes_at_once(const registration& handler) noexcept -> bool {
    return handler.ready.empty() && handler.lanes.busy() == 0 && !handler.closing;
}

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

    /// Begins one whose messages go to those handlers. May throw `std::bad_alloc`.
    void begin(const match_table::handlers& handlers) {
        if (handlers_ != handlers) {
            handlers_ = handlers;
            ++version_;
        }
        count_ = 0;
    }
    /// Makes ready for another message. May throw `std::bad_alloc`, and then nothing has changed.
    void reserve() {
        if (records_[count_] == nullptr || versions_[count_] != version_) {
            renew(count_);
        }
    }
    /// After `reserve`. What else there is to a record and its jobs is as it was made, or as it
    /// was left by handlers that took them at once and ended well.
    void add(const delivery& from, partition_state& at, watermark::ticket ticket) noexcept {
        record& item = *records_[count_++];
        item.from = from;
        item.partition = &at;
        item.ticket = ticket;
        item.unfinished = item.handlers;
    }
    [[nodiscard]] auto records() const noexcept -> std::span<record* const> {
        return std::span(records_).first(count_);
    }

    /// Somebody else has that record from now on.
    void release(std::size_t index) noexcept {
        std::exchange(records_[index], nullptr)->together = false;
    }
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

    /// While it is run, its thread's workers ask it themselves for their next job; `executing` is
    /// the one that was given to a worker which has not suspended.
    class running {
    public:
        running(volley& all, job*& executing) noexcept
            : all_(&all), executing_(&executing), outer_(std::exchange(here, this)) {}
        running(const running&) = delete;
        auto operator=(const running&) -> running& = delete;
        ~running() { here = outer_; }

        /// What `dispatch_host::next_job` does, for the usual case. False: ask that. Never inline:
        /// coroutines call it that go on on other threads, and must not remember where `here` is.
        [[nodiscard, gnu::noinline]] static auto next(worker& free) noexcept -> bool {
            job* const done = free.current;
            running* const now = here;
            if (now == nullptr || *now->executing_ != done || !done->ended.well() ||
                !takes_at_once(*done->handler)) {
                return false;
            }
            job* const next = now->all_->next();
            if (next == nullptr) {
                return false;
            }
            --done->handler->unfinished;
            --done->of->unfinished;
            *now->executing_ = free.current = next;
            return true;
        }

    private:
        static inline constinit thread_local running* here = nullptr; // NOLINT: one for each thread

        volley* all_;
        job** executing_;
        running* outer_;
    };

private:
    [[gnu::noinline]] void renew(std::size_t index) {
        if (records_[index] != nullptr && records_[index]->handlers != handlers_.size()) {
            forget(index);
        }
        if (records_[index] == nullptr) {
            records_[index] = make_record(handlers_.size());
            records_[index]->together = true;
        }
        for (std::size_t i = 0; i < handlers_.size(); ++i) {
            job_of(*records_[index], i).handler = handlers_[i];
        }
        versions_[index] = version_;
    }

    match_table::handlers handlers_;
    std::uint64_t version_ = 1;                  ///< counts their changes
    std::array<std::uint64_t, most> versions_{}; ///< for which handlers the records are
    std::array<record*, most> records_{};        ///< `count_` in use, then some that are kept
    std::size_t count_ = 0;
    std::size_t handler_ = 0;
    std::size_t next_ = 0;
};

} // namespace cobus::detail
