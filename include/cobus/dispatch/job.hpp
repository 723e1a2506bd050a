#pragma once

#include "../detail/pool.hpp"
#include "../detail/queue.hpp"
#include "../outcome.hpp"
#include "../transport/transport.hpp"
#include "watermark.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>

namespace cobus::detail {

class registration;
class worker;
struct partition_state;
struct record;

/// How one run of a handler ended.
class result {
public:
    enum class kind : unsigned char { done, skip, retry, dead_letter, cancelled };

    result() = default;
    explicit result(kind what) noexcept : what_(what) {}
    explicit result(const outcome& said) : delay_(said.delay()), reason_(said.reason()) {
        switch (said.what()) {
        case outcome::kind::done:
            what_ = kind::done;
            break;
        case outcome::kind::skip:
            what_ = kind::skip;
            break;
        case outcome::kind::retry:
            what_ = kind::retry;
            break;
        case outcome::kind::dead_letter:
            what_ = kind::dead_letter;
            break;
        }
    }
    /// Of an exception: `retry`, with its text.
    [[nodiscard]] static auto thrown(std::exception_ptr error) -> result;
    /// Of a payload that does not decode: never tried again.
    [[nodiscard]] static auto undecodable(std::string problem) -> result {
        result made(kind::dead_letter);
        made.reason_ = std::move(problem);
        return made;
    }

    [[nodiscard]] auto what() const noexcept -> kind { return what_; }
    [[nodiscard]] auto delay() const noexcept -> std::chrono::milliseconds { return delay_; }
    [[nodiscard]] auto reason() const noexcept -> const std::string& { return reason_; }
    [[nodiscard]] auto error() const noexcept -> const std::exception_ptr& { return error_; }

private:
    kind what_ = kind::done;
    std::chrono::milliseconds delay_{-1};
    std::string reason_;
    std::exception_ptr error_;
};

inline auto result::thrown(std::exception_ptr error) -> result {
    result made(kind::retry);
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& known) {
        made.reason_ = known.what();
    } catch (...) {
        made.reason_ = "an exception that is no std::exception";
    }
    made.error_ = std::move(error);
    return made;
}

/// What of a failed message its dead letter carries: less and less, when it is too large.
enum class letter_form : unsigned char {
    whole,
    no_reason,  ///< without the reason's text
    no_headers, ///< and without the message's own headers
    pointer,    ///< no payload: where it lies, its size and its hash
};

/// One message for one handler.
struct job {
    record* of = nullptr;
    registration* handler = nullptr;
    std::uint64_t lane = 0;
    unsigned attempt = 1;
    unsigned letters = 0; ///< dead letters that were refused
    letter_form form = letter_form::whole;
    bool lettered = false; ///< its dead letter is to be sent, or under way
    bool in_lane = false; ///< the lane's table knows it: it runs, waits for its turn or for a retry
    std::chrono::steady_clock::time_point failing_since{}; ///< when the first try failed
    worker* run_by = nullptr;
    job* queue_next = nullptr;
    job* sibling = nullptr; ///< of the same message
    result ended;
};

/// One message until all its handlers are done.
struct record {
    delivery from;
    partition_state* partition = nullptr;
    watermark::ticket ticket = 0;
    job* jobs = nullptr;        ///< all of them, finished or not
    std::size_t unfinished = 0; ///< handlers
    bool abandoned = false;     ///< its partition went elsewhere, or the bus stops
    bool failed = false;        ///< some handler ended without `done` or `skip`
    record* previous = nullptr; ///< in its partition
    record* next = nullptr;
};

inline void erase(record& item) noexcept {
    while (item.jobs != nullptr) {
        pool_delete(std::exchange(item.jobs, item.jobs->sibling));
    }
    pool_delete(&item);
}

/// One assigned partition.
struct partition_state {
    topic_partition where;
    std::uint32_t epoch = 0;
    watermark mark;
    std::int64_t committed = -1;
    std::int64_t committing = -1;
    std::size_t in_flight = 0; ///< records
    bool held = false;
    std::uint32_t leave_epoch = 0; ///< of the revocation, when leaving
    bool leaving = false;          ///< revoked, not yet settled: begin nothing new
    bool gone = false;             ///< no longer ours
    record* records = nullptr;

    void link(record& item) noexcept {
        item.next = records;
        if (records != nullptr) {
            records->previous = &item;
        }
        records = &item;
        ++in_flight;
    }
    void unlink(record& item) noexcept {
        (item.previous != nullptr ? item.previous->next : records) = item.next;
        if (item.next != nullptr) {
            item.next->previous = item.previous;
        }
        --in_flight;
    }
    [[nodiscard]] auto dirty() const noexcept -> bool { return mark.committable() > committed; }
};

} // namespace cobus::detail
