#pragma once

#include "delays.hpp"
#include "gates.hpp"
#include "job.hpp"
#include "lane_of.hpp"
#include "letters.hpp"
#include "limits.hpp"
#include "local_job.hpp"
#include "next_try.hpp"
#include "registration.hpp"
#include "worker.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Runs handlers: lanes, limits, retries, dead letters. Knows neither streams nor offsets. Home
/// only.
class runner final : private letter_writer {
public:
    using clock = std::chrono::steady_clock;

    runner(dispatch_host& host, record_sink& sink, std::string group, const dispatch_limits& limits)
        : host_(&host),
          sink_(&sink),
          observer_(limits.observer),
          letters_(host, *this, std::move(group), limits.park),
          most_running_(limits.handlers) {}
    runner(const runner&) = delete;
    auto operator=(const runner&) -> runner& = delete;

    void handlers(const std::vector<std::shared_ptr<registration>>& all) {
        while (registration* each = listed_.pop()) { // one that goes has nothing ready
            each->listed = false;
        }
        handlers_ = all;
        gated_.reset(all);
        for (const auto& each : handlers_) {
            list(*each);
        }
    }

    /// Gives a message to its handlers.
    void begin(record& of, const std::vector<registration*>& handlers) {
        for (std::size_t i = 0; i < handlers.size(); ++i) {
            job& work = job_of(of, i);
            work.of = &of;
            work.handler = handlers[i];
            work.local = of.from.content->run();
            ++work.handler->unfinished;
            if (codec_result made = work.handler->prepare(*of.from.content); !made.ok()) {
                work.ended = result::undecodable(made.problem());
                may_begin(work) ? refuse(work) : finish(work);
            } else {
                make_ready(work);
            }
        }
    }

    /// Runs what became due, and what may run by now.
    void run(clock::time_point now) {
        now_ = now;
        gated_.end_late(now);
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
    void run_ready() {
        run_listed();
        while (!gated_.empty() && run_gated()) {
            run_listed();
        }
    }
    /// From any thread.
    [[nodiscard]] auto dead_letters() const -> dead_letter_health { return letters_.health(); }
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        return (std::min)(delays_.next(),
                          gated_.due([this](const registration& each) { return may_run(each); }));
    }

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
        if (executing_ != done || !done->ended.well() || done->handler->gate != nullptr) {
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
        for (registration* each : gated_) {
            each->gate->remove_if(unwanted, drop);
        }
        delays_.remove_if(unwanted, drop);
    }
    /// Asks running handlers of abandoned messages to end.
    void cancel_abandoned() {
        for (const auto& handler : handlers_) {
            handler->cancel([](const job& work) { return work.of->abandoned; });
        }
    }
    /// Nothing more will come.
    void hurry() noexcept { gated_.hurry(); }
    /// Begins nothing more, not even a dead letter's second try.
    void shut() noexcept {
        shut_ = true;
        letters_.shut();
    }

private:
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
    [[nodiscard]] auto take(registration& handler) noexcept -> job* {
        while (job* next = handler.ready.pop()) {
            if (!next->in_lane && handler.lanes.busy() > 0) { // else no lane can be taken
                next->lane = lane_of(*next);
                if (!handler.lanes.enter(*next)) {
                    continue;
                }
            }
            if (may_begin(*next)) {
                return next;
            }
            finish(*next);
        }
        return nullptr;
    }

    /// Handler by handler, so that each has its code and its worker's coroutine at hand for many.
    void run_listed() {
        while (running_ < most_running_) {
            registration* handler = listed_.pop();
            if (handler == nullptr) {
                return;
            }
            handler->listed = false;
            if (handler->gate != nullptr) {
                to_gate(*handler);
                continue;
            }
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

    // Handlers with a gate.

    /// Those whose turn it is in their lanes wait at the gate; batches keep the lanes themselves.
    void to_gate(registration& handler) {
        admission& gate = *handler.gate;
        while (job* next = handler.ready.pop()) {
            if (!may_begin(*next)) {
                finish(*next);
            } else if (next->in_lane) {
                gate.back(*next, now_);
            } else if (next->lane = lane_of(*next); gate.in_batches()) {
                gate.arrive(*next, now_);
            } else if (handler.lanes.enter(*next)) {
                handler.lanes.keep(*next);
                gate.arrive(*next, now_);
            }
        }
    }
    /// Runs who gets through. True: somebody else has become ready by that.
    auto run_gated() -> bool {
        for (registration* each : gated_) {
            each->gate->revive(now_);
            while (may_run(*each)) {
                const auto next = each->gate->next({now_, host_->wall()});
                if (next.work == nullptr) {
                    break;
                }
                next.runs ? execute(*next.work) : finish(*next.work);
            }
        }
        return !listed_.empty() && running_ < most_running_;
    }
    /// True: it was a batch, and each of it is judged.
    auto gate_ended(job& work) -> bool {
        registration& handler = *work.handler;
        const admission::moment at{now_, host_->wall()};
        if (!handler.gate->in_batches()) {
            handler.gate->ended(work, at);
            return false;
        }
        for (job* each : handler.gate->settle(work, !handler.closing && !shut_, at)) {
            judge(*each);
        }
        return true;
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
            if (last->handler->gate != nullptr) {
                last->handler->gate->suspended(*last, now_);
            }
        }
    }

    void ended(job& work) {
        --running_;
        --work.handler->running;
        list(*work.handler); // its limit may have stopped it
        if (work.handler->gate == nullptr || !gate_ended(work)) {
            judge(work);
        }
    }
    void judge(job& work) {
        if (observer_ != nullptr) {
            observer_->ran(work);
        }
        switch (work.ended.what()) {
        case result::kind::done:
        case result::kind::skip:
            work.settled = true;
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
        if (work.of->abandoned) {
            finish(work);
            return;
        }
        keep_lane(work);
        // Not when this run of the home began: never too early.
        if (const auto due = next_try(work, host_->now())) {
            ends_here(work, false);
            ++work.attempt;
            delays_.add(*due, work);
        } else {
            send_letter(work);
        }
    }

    /// It cannot be decoded, or nobody takes its type. Outside of its lane, which another may hold.
    void refuse(job& work) {
        if (work.handler->options().unknown() == unknown_type::stop &&
            !work.handler->wants(*work.of->from.content)) {
            letters_.stop(work);
            delays_.add((clock::time_point::max)(), work);
            sink_->stopped(*work.of);
        } else {
            send_letter(work);
        }
    }
    void send_letter(job& work) { letters_.send(work); }
    void letter_over(job& work) override {
        work.settled = !work.of->abandoned;
        finish(work);
    }
    void letter_refused(job& work, std::chrono::seconds wait) override {
        delays_.add(now_ + wait, work);
    }

    void finish(job& work) {
        if (observer_ != nullptr) {
            observer_->over(work);
        }
        letters_.forget(work);
        ends_here(work, work.settled);
        registration& handler = *work.handler;
        if (in_batches(handler)) {
            work.in_lane = false;
            handler.gate->left(work, now_);
        }
        if (job* next = handler.lanes.leave(work)) {
            handler.ready.push_front(*next); // it had its turn before those that are there
            list(handler);
        }
        --handler.unfinished;
        if (--work.of->unfinished == 0) {
            sink_->finished(*work.of);
        }
    }

    dispatch_host* host_;
    record_sink* sink_;
    run_observer* observer_;
    letters letters_;
    std::size_t most_running_;
    std::vector<std::shared_ptr<registration>> handlers_;
    delays<job> delays_;
    gates gated_;                ///< of them
    queue<registration> listed_; ///< those with jobs ready, but for those at their own limit
    job* executing_ = nullptr;   ///< given to a worker that has not yet returned
    queue<worker> inline_ready_;
    clock::time_point now_{};
    std::size_t running_ = 0;
    bool shut_ = false;
};

} // namespace cobus::detail
