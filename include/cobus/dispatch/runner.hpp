#pragma once

#include "../error.hpp"
#include "../message_id.hpp"
#include "dead_letters.hpp"
#include "delays.hpp"
#include "job.hpp"
#include "limits.hpp"
#include "registration.hpp"
#include "worker.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Who is told that all handlers of a message are through with it.
class record_sink {
public:
    record_sink(const record_sink&) = delete;
    auto operator=(const record_sink&) -> record_sink& = delete;
    virtual void finished(record& item) = 0;

protected:
    record_sink() = default;
    ~record_sink() = default;
};

/// Runs handlers: lanes, limits, retries, dead letters. Knows neither streams nor offsets. Home
/// only.
class runner {
public:
    using clock = std::chrono::steady_clock;

    runner(dispatch_host& host, record_sink& sink, std::string group, const dispatch_limits& limits)
        : host_(&host),
          sink_(&sink),
          observer_(limits.observer),
          group_(std::move(group)),
          most_running_(limits.handlers) {}
    runner(const runner&) = delete;
    auto operator=(const runner&) -> runner& = delete;

    void handlers(const std::vector<std::shared_ptr<registration>>& all) {
        while (registration* each = listed_.pop()) { // one that goes has nothing ready
            each->listed = false;
        }
        handlers_ = all;
        for (const auto& each : handlers_) {
            list(*each);
        }
    }

    /// Gives a message to one of its handlers.
    void begin(record& of, std::size_t index, registration& handler) {
        job& work = job_of(of, index);
        work.of = &of;
        work.handler = &handler;
        ++handler.unfinished;
        if (codec_result made = handler.prepare(*of.from.content); !made.ok()) {
            work.ended = result::undecodable(made.problem());
            send_letter(work); // outside of its lane, which another may hold
            return;
        }
        make_ready(work);
    }

    /// Runs what became due, and what may run by now.
    void run(clock::time_point now) {
        now_ = now;
        while (worker* free = inline_ready_.pop()) {
            worker_ready(*free);
        }
        while (job* each = delays_.pop(now)) {
            if (each->lettered) {
                send_letter(*each);
            } else {
                make_ready(*each);
            }
        }
        run_ready();
    }
    /// Handler by handler, so that each has its code and its worker's coroutine at hand for many.
    void run_ready() {
        while (running_ < most_running_) {
            registration* handler = listed_.pop();
            if (handler == nullptr) {
                return;
            }
            handler->listed = false;
            while (may_run(*handler)) {
                job* next = take(*handler);
                if (next == nullptr) {
                    break;
                }
                execute(*next);
            }
            if (handler->running < handler->options().concurrency()) {
                list(*handler); // the bus's limit stopped it, not its own
            }
        }
    }
    [[nodiscard]] auto due() const noexcept -> clock::time_point { return delays_.next(); }
    [[nodiscard]] auto letters() const noexcept -> std::size_t { return letters_; }

    /// A worker is through with its job, and waits for the next.
    void worker_ready(worker& free) {
        job* done = std::exchange(free.current, nullptr);
        free.of().take_back(free);
        if (done != nullptr) {
            ended(*done);
        }
    }
    /// The same, told from within `registration::run` on this thread.
    void worker_ready_inline(worker& free) { inline_ready_.push(free); }
    /// What a worker runs next that ended its job within the call that gave it to it. What ended
    /// otherwise than well takes the longer way: it may need memory, and throw.
    [[nodiscard]] auto next_job(worker& free) noexcept -> job* {
        job* const done = free.current;
        if (executing_ != done || !done->ended.well()) {
            return nullptr;
        }
        registration& handler = *done->handler;
        executing_ = free.current = nullptr;
        ended(*done);
        job* const next = may_run(handler) && !handler.closing ? take(handler) : nullptr;
        if (next != nullptr) {
            executing_ = free.current = next;
            ++running_;
            ++handler.running;
        }
        return next;
    }

    /// Finishes, without running them, those that wait and that `unwanted` says.
    template <class Predicate> void drop_waiting(Predicate unwanted) {
        const auto drop = [this](job& each) { finish(each); };
        for (const auto& handler : handlers_) { // those behind others first: they hold no lane
            handler->lanes.remove_if(unwanted, drop);
        }
        for (const auto& handler : handlers_) {
            handler->ready.remove_if(unwanted, drop);
        }
        delays_.remove_if(unwanted, drop);
    }
    /// Asks running handlers of abandoned messages to end.
    void cancel_abandoned() {
        for (const auto& handler : handlers_) {
            handler->cancel([](const job& work) { return work.of->abandoned; });
        }
    }
    /// Begins nothing more, not even a dead letter's second try.
    void shut() noexcept { shut_ = true; }

private:
    [[nodiscard]] static auto lane_of(const job& work) noexcept -> std::uint64_t {
        constexpr std::uint64_t spread = 0x9E3779B97F4A7C15U; // 2^64 over the golden ratio
        const delivery& from = work.of->from;
        const order how = work.handler->options().ordered();
        std::uint64_t lane = std::hash<const void*>()(from.where.topic);
        if (how == order::by_key) {
            if (const auto key = from.content->key()) {
                // Without the partition: Kafka and this process may put a key into different ones.
                return lane ^ (std::hash<std::string_view>()(*key) * spread);
            }
        }
        lane = lane * 31U + static_cast<std::uint64_t>(from.where.partition);
        if (how == order::unordered) {
            lane ^= (static_cast<std::uint64_t>(from.offset) + 1) * spread;
        }
        return lane;
    }
    static void keep_lane(job& work) {
        if (!work.in_lane) {
            work.lane = lane_of(work);
            work.handler->lanes.keep(work);
        }
    }
    [[nodiscard]] auto may_run(const registration& handler) const noexcept -> bool {
        return running_ < most_running_ && handler.running < handler.options().concurrency();
    }

    void make_ready(job& work) noexcept {
        work.handler->ready.push(work);
        list(*work.handler);
    }
    void list(registration& handler) noexcept {
        if (!handler.listed && !handler.ready.empty()) {
            handler.listed = true;
            listed_.push(handler);
        }
    }
    /// The next job that may run; those whose lane is busy are put behind it.
    [[nodiscard]] static auto take(registration& handler) noexcept -> job* {
        while (job* next = handler.ready.pop()) {
            if (next->in_lane || handler.lanes.busy() == 0) {
                return next; // nobody is suspended, so no lane can be taken
            }
            next->lane = lane_of(*next);
            if (handler.lanes.enter(*next)) {
                return next;
            }
        }
        return nullptr;
    }

    void execute(job& work) {
        ++running_;
        ++work.handler->running;
        executing_ = &work;
        if (work.handler->run(work)) {
            executing_ = nullptr;
            ended(work);
            return;
        }
        // Its worker has run this job, and maybe some after it. It told on this thread that it is
        // through with the last of them, or is suspended in it.
        job* last = std::exchange(executing_, nullptr);
        while (worker* free = inline_ready_.pop()) {
            if (free->current == last) {
                last = nullptr;
            }
            worker_ready(*free);
        }
        if (last != nullptr) {
            keep_lane(*last);
        }
    }

    void ended(job& work) {
        registration& handler = *work.handler;
        --running_;
        --handler.running;
        list(handler); // its limit may have stopped it
        if (observer_ != nullptr) {
            observer_->ran(work);
        }
        switch (work.ended.what()) {
        case result::kind::done:
        case result::kind::skip:
            finish(work);
            break;
        case result::kind::cancelled:
            work.of->abandoned = true;
            finish(work);
            break;
        case result::kind::retry:
            retry(work);
            break;
        case result::kind::dead_letter:
            keep_lane(work);
            send_letter(work);
            break;
        }
    }

    void retry(job& work) {
        const retry_policy& policy = work.handler->options().retry();
        if (work.of->abandoned) {
            finish(work);
            return;
        }
        keep_lane(work);
        if (policy.exhausted(work.attempt) || !policy.worth_retrying(work.ended.error())) {
            send_letter(work);
            return;
        }
        const auto asked = work.ended.delay();
        const auto wait =
            asked.count() >= 0 ? asked : policy.wait(work.attempt, fast_random::local()());
        if (work.attempt == 1) {
            work.failing_since = now_;
        }
        if (policy.too_late(now_ + wait - work.failing_since)) {
            send_letter(work);
            return;
        }
        ++work.attempt;
        delays_.add(now_ + wait, work);
    }

    // Dead letters: a message is finished only when its letter is acknowledged.

    class letter final : public internal_send {
    public:
        letter(runner& home, job& of) noexcept : home_(&home), of_(&of) {}
        void sent(std::error_code ec) noexcept override {
            runner& home = *home_;
            job& of = *of_;
            pool_delete(this);
            home.letter_sent(of, ec);
        }

    private:
        runner* home_;
        job* of_;
    };

    void send_letter(job& work) {
        work.of->failed = true;
        if (!work.lettered) {
            work.lettered = true;
            host_->log(log_level::warning, why_dead(work));
        }
        if (is_dead_letter_topic(*work.of->from.where.topic)) { // no dead letters of dead letters
            finish(work);
            return;
        }
        // What came from Kafka is committed there, so its letter has to get there too.
        const policy when_away = work.of->from.in_process ? policy::deliver : policy::wait;
        host_->send(make_dead_letter(work, group_, host_->wall()), when_away,
                    *pool_new<letter>(*this, work));
    }
    void letter_sent(job& work, std::error_code ec) {
        if (!ec) {
            ++letters_;
            taken_again();
            finish(work);
        } else if (shut_ || work.of->abandoned) {
            work.of->abandoned = true;
            finish(work);
        } else if (ec == make_error_code(errc::too_large) && shrink(work.form)) {
            send_letter(work);
        } else { // nothing is committed beyond it, so its partition stops when its limit is reached
            if (std::exchange(refusal_, ec) != ec) {
                host_->log(log_level::error, why_refused(work, ec));
            }
            delays_.add(now_ + letter_wait(work.letters++), work);
        }
    }
    void taken_again() {
        if (std::exchange(refusal_, std::error_code())) {
            host_->log(log_level::info, "dead letters are taken again");
        }
    }

    void finish(job& work) {
        if (observer_ != nullptr) {
            observer_->over(work);
        }
        registration& handler = *work.handler;
        if (job* next = handler.lanes.leave(work)) {
            make_ready(*next);
        }
        --handler.unfinished;
        if (--work.of->unfinished == 0) {
            sink_->finished(*work.of);
        }
    }

    dispatch_host* host_;
    record_sink* sink_;
    run_observer* observer_;
    std::string group_;
    std::size_t most_running_;
    std::vector<std::shared_ptr<registration>> handlers_;
    delays<job> delays_;
    queue<registration> listed_; ///< those with jobs ready, but for those at their own limit
    job* executing_ = nullptr;   ///< given to a worker that has not yet returned
    queue<worker> inline_ready_;
    clock::time_point now_{};
    std::size_t running_ = 0;
    std::size_t letters_ = 0;
    std::error_code refusal_; ///< of the last dead letter, to say each cause once
    bool shut_ = false;
};

} // namespace cobus::detail
