#pragma once

#include "../detail/pool.hpp"
#include "../detail/queue.hpp"
#include "../outcome.hpp"
#include "../transport/transport.hpp"
#include "offset_map.hpp"
#include "watermark.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace cobus {
class local_run;
} // namespace cobus

namespace cobus::detail {

class registration;
class worker;
struct partition_state;
struct record;
struct retry_lot;

/// How one run of a handler ended.
class result {
public:
    enum class kind : unsigned char { done, skip, retry, dead_letter, cancelled };

    result() = default;
    explicit result(kind what) noexcept : what_(what) {}
    explicit result(const outcome& said) {
        if (said.delay().count() >= 0 || !said.reason().empty()) {
            more_ = std::make_unique<details>();
            more_->delay = said.delay();
            more_->reason = said.reason();
        }
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
        made.more_ = std::make_unique<details>();
        made.more_->reason = std::move(problem);
        return made;
    }

    /// The same of another job of its batch.
    [[nodiscard]] auto copy() const -> result {
        result made(what_);
        if (more_) {
            made.more_ = std::make_unique<details>(*more_);
        }
        return made;
    }

    void set_done() noexcept {
        what_ = kind::done;
        if (more_) {
            more_.reset();
        }
    }

    [[nodiscard]] auto what() const noexcept -> kind { return what_; }
    [[nodiscard]] auto well() const noexcept -> bool {
        return what_ == kind::done || what_ == kind::skip;
    }
    [[nodiscard]] auto delay() const noexcept -> std::chrono::milliseconds {
        return more_ ? more_->delay : std::chrono::milliseconds(-1);
    }
    [[nodiscard]] auto reason() const noexcept -> std::string_view {
        return more_ ? std::string_view(more_->reason) : std::string_view();
    }
    [[nodiscard]] auto error() const noexcept -> std::exception_ptr {
        return more_ ? more_->error : std::exception_ptr();
    }

private:
    struct details { // of what did not go well
        std::chrono::milliseconds delay{-1};
        std::string reason;
        std::exception_ptr error;
    };

    kind what_ = kind::done;
    std::unique_ptr<details> more_;
};

inline auto result::thrown(std::exception_ptr error) -> result {
    result made(kind::retry);
    made.more_ = std::make_unique<details>();
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& known) {
        made.more_->reason = known.what();
    } catch (...) {
        made.more_->reason = "an exception that is no std::exception";
    }
    made.more_->error = std::move(error);
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
    bool lettered = false;      ///< its dead letter is to be sent, or under way
    bool halted = false;        ///< nobody takes its type, and nothing passes it
    bool begun = false;         ///< `local` was asked, and is told when it ends
    bool settled = false;       ///< its handler wants to see the event never again
    local_run* local = nullptr; ///< of an event that is kept for Kafka as well
    // Of `retry_topics`.
    unsigned tried = 0;     ///< times that it was tried before it waited there
    unsigned refusals = 0;  ///< times that it could not be written
    std::uint8_t tier = 0;  ///< where it goes
    bool following = false; ///< without having run, behind another of its lane
    bool diverting = false; ///< it is being written, or was
    bool passed = false;    ///< a later copy of it waits
    bool in_lane = false; ///< the lane's table knows it: it runs, waits for its turn or for a retry
    // Of `admission`, for handlers that have one.
    bool late = false;      ///< its time limit has passed
    bool alone = false;     ///< failed in a batch, and runs without others from now on
    bool split = false;     ///< the first of a batch: each of the batch has its own result
    std::uint8_t round = 0; ///< of the breaker's probes
    std::uint8_t asked = 0; ///< times that a copy of it was found at work
    std::chrono::steady_clock::time_point failing_since{}; ///< when the first try failed
    job* queue_next = nullptr;
    result ended;
};

/// Of a message that waited in a retry topic, and is handled as if it came from its own again.
struct retry_visit {
    delivery real;            ///< as it was read
    std::uint64_t number = 0; ///< of this copy
    std::chrono::steady_clock::time_point due{};
};

/// One message until all its handlers are done. Its jobs lie behind it in the same block.
struct record {
    delivery from;
    partition_state* partition = nullptr;
    watermark::ticket ticket = 0;
    std::size_t handlers = 0;   ///< so many jobs
    std::size_t unfinished = 0; ///< of them
    bool abandoned = false;     ///< its partition went elsewhere, or the bus stops
    bool failed = false;        ///< some handler ended without `done` or `skip`
    bool together = false;      ///< of a volley that is being run, which tells its end
    bool kept_lane = false;     ///< some job of it: it was suspended, or failed
    record* previous = nullptr; ///< in its partition
    record* next = nullptr;
    std::unique_ptr<retry_visit> visit; ///< null unless it waited in a retry topic

    /// What goes back to the stream.
    [[nodiscard]] auto delivered() const noexcept -> const delivery& {
        return visit ? visit->real : from;
    }
};

static_assert(sizeof(record) % alignof(job) == 0);

[[nodiscard]] inline auto job_of(record& item, std::size_t index) noexcept -> job& {
    return *std::launder(reinterpret_cast<job*>(&item + 1) + index); // NOLINT: where they lie
}
[[nodiscard]] inline auto make_record(std::size_t handlers) -> record* {
    void* block = pool::allocate(sizeof(record) + handlers * sizeof(job));
    auto* item = ::new (block) record;
    item->handlers = item->unfinished = handlers;
    for (std::size_t i = 0; i < handlers; ++i) {
        auto* work = // NOLINTNEXTLINE: as above
            ::new (static_cast<void*>(reinterpret_cast<job*>(item + 1) + i)) job;
        work->of = item;
    }
    return item;
}
[[nodiscard]] inline auto make_record(std::size_t handlers, const delivery& from,
                                      partition_state& partition, watermark::ticket ticket)
    -> record* {
    record* item = make_record(handlers);
    item->from = from;
    item->partition = &partition;
    item->ticket = ticket;
    return item;
}
inline void erase(record& item) noexcept {
    const std::size_t handlers = item.handlers;
    for (std::size_t i = 0; i < handlers; ++i) {
        job_of(item, i).~job();
    }
    item.~record();
    pool::deallocate(&item, sizeof(record) + handlers * sizeof(job));
}

/// Who is told that all handlers of a message are through with it.
class record_sink {
public:
    record_sink(const record_sink&) = delete;
    auto operator=(const record_sink&) -> record_sink& = delete;
    virtual void finished(record& item) = 0;
    /// Nothing behind it may be read before it is finished, which it will not be here.
    virtual void stopped(record& item) = 0;
    /// It is known what waits in its retry topics.
    virtual void may_go_on(partition_state& which) = 0;

protected:
    record_sink() = default;
    ~record_sink() = default;
};

/// One assigned partition.
struct partition_state {
    topic_partition where;
    std::uint32_t epoch = 0;
    watermark mark;
    std::int64_t committed = -1;
    std::int64_t committing = -1;
    std::int64_t told = -1;    ///< to the stream
    finished_before before;    ///< what an earlier owner finished out of order
    bool map_changed = false;  ///< something finished that no commit has told of
    std::size_t in_flight = 0; ///< records
    bool held = false;
    bool restoring = false;          ///< until it is known what waits in its retry topics
    std::shared_ptr<retry_lot> lot;  ///< of it and its retry partitions, or of its partition
    bool stopped = false;            ///< at a message that nobody takes
    bool unread = false;             ///< no handler reads its topic any more
    bool touched = false;            ///< in the list of those that may have something to commit
    std::uint32_t leave_epoch = 0;   ///< of the revocation, when leaving
    bool leaving = false;            ///< revoked, not yet settled: begin nothing new
    bool gone = false;               ///< no longer ours
    std::atomic<bool> ending{false}; ///< what runs has little time left; handlers may look
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
    void finish(watermark::ticket which) {
        mark.finish(which);
        map_changed = true;
    }
    /// Whether more may be read, once it was held.
    [[nodiscard]] auto may_go_on(std::size_t most) const noexcept -> bool {
        return !gone && !stopped && !restoring && in_flight <= most;
    }
    [[nodiscard]] auto dirty(bool with_map) const noexcept -> bool {
        return mark.committable() > committed || (with_map && map_changed && committed >= 0);
    }
};

} // namespace cobus::detail
