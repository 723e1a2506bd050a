#pragma once

#include "delays.hpp"
#include "gates.hpp"
#include "job.hpp"
#include "letters.hpp"
#include "limits.hpp"
#include "local_job.hpp"
#include "next_try.hpp"
#include "ready_handlers.hpp"
#include "registration.hpp"
#include "retry_topics.hpp"
#include "turns.hpp"
#include "volley.hpp"
#include "worker.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Runs handlers: lanes, limits, retries, dead letters. Knows no streams, no offsets. Home only.
class runner final : private retry_client {
public:
    using clock = std::chrono::steady_clock;

    runner(dispatch_host& host, record_sink& sink, std::string group, const dispatch_limits& limits)
        : host_(&host),
          sink_(&sink),
          observer_(limits.observer),
          letters_(host, *this, group, limits.park),
          retries_(host, *this, std::move(group), limits.retry_delays),
          most_running_(limits.handlers) {}
    runner(const runner&) = delete;
    auto operator=(const runner&) -> runner& = delete;

    void handlers(const std::vector<std::shared_ptr<registration>>& all) {
        handlers_.reset(all);
        gated_.reset(all);
    }

    /// Gives a message to its handlers.
    void begin(record& of, const std::vector<registration*>& handlers) {
        for (std::size_t i = 0; i < handlers.size(); ++i) {
            expect(of, i, *handlers[i]);
            launch(job_of(of, i));
        }
    }

    /// Runs what became due, and what may run by now.
    void run(clock::time_point now) {
        now_ = now;
        gated_.end_late(now);
        handlers_.cancel_late();
        while (worker* free = inline_ready_.pop()) {
            worker_ready(*free);
        }
        while (job* each = delays_.pop(now)) {
            if (each->lettered) {
                letters_.send(*each);
            } else if (each->diverting) {
                retries_.divert(*each);
            } else {
                handlers_.add(*each);
            }
        }
        retries_.run(
            now, [this](job& each) { launch(each); },
            [this](partition_state& which) { sink_->may_go_on(which); });
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
    [[nodiscard]] auto retry_health() const -> cobus::retry_health { return retries_.health(); }
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        return (std::min)({delays_.next(), retries_.due(),
                           gated_.due([this](const registration& each) { return may_run(each); })});
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
    [[nodiscard]] auto next_job(worker& free) noexcept -> job*;
    /// Runs messages through those handlers. What cannot run now waits as after `begin`.
    void run_through(volley& all, const match_table::handlers& handlers);

    /// Finishes, without running them, those that wait and that `unwanted` says.
    template <class Predicate> void drop_waiting(Predicate unwanted) {
        const auto drop = [this](job& each) { finish(each); };
        handlers_.remove_if(unwanted, drop);
        for (registration* each : gated_) {
            each->gate->remove_if(unwanted, drop);
        }
        delays_.remove_if(unwanted, drop);
        retries_.remove_if(unwanted, drop);
    }
    /// Asks running handlers of abandoned messages to end.
    void cancel_abandoned() { handlers_.cancel_abandoned(); }
    /// Nothing more will come.
    void hurry() {
        gated_.hurry();
        retries_.remove_if([](const job& each) { return each.of->abandoned = true; },
                           [this](job& each) { finish(each); });
    }
    [[nodiscard]] auto retries() noexcept -> retry_topics& { return retries_; }
    /// Begins nothing more, not even a dead letter's second try.
    void shut() noexcept {
        shut_ = true;
        letters_.shut();
        retries_.shut();
    }

private:
    [[nodiscard]] auto next_of(volley& all, worker& free, job& done) noexcept -> job*;
    void take_turns(volley& all, registration& handler);
    void wait_for_turn(volley& all) noexcept;
    [[nodiscard]] auto may_run(const registration& handler) const noexcept -> bool {
        return running_ < most_running_ && handler.running < handler.options().concurrency();
    }

    void launch(job& work) {
        if (work.handler->reads_as_published(*work.of->from.content)) {
            handlers_.add(work);
            return;
        }
        if (codec_result made = work.handler->prepare(*work.of->from.content); !made.ok()) {
            work.ended = result::undecodable(made.problem());
            refuse(work);
        } else {
            handlers_.add(work);
        }
    }
    [[nodiscard]] auto next_of(registration& handler) noexcept -> job* {
        job* next = take(handler);
        while (next != nullptr && !may_begin(*next, handlers_.late())) {
            finish(*next);
            next = take(handler);
        }
        return next;
    }
    /// Whether a job that has its lane may run; else it waits in a retry topic, or did.
    [[nodiscard]] auto has_turn(job& work) -> bool {
        if (!work.handler->options().retry_topics()) {
            return true;
        }
        const auto turn = retries_.turn_of(work);
        if (turn == retry_topics::turn::follow) {
            keep_lane(work);
            retries_.divert(work);
        } else if (turn == retry_topics::turn::pass) {
            work.passed = true;
            finish(work);
        }
        return turn == retry_topics::turn::run;
    }
    [[nodiscard]] auto take_turn(registration& handler) -> job* {
        job* next = next_of(handler);
        while (next != nullptr && !has_turn(*next)) {
            next = next_of(handler);
        }
        return next;
    }

    /// Handler by handler, so that each has its code and its worker's coroutine at hand for many.
    void run_listed() {
        while (running_ < most_running_) {
            registration* handler = handlers_.next();
            if (handler == nullptr) {
                return;
            }
            if (handler->gate != nullptr) {
                to_gate(*handler);
                continue;
            }
            while (may_run(*handler)) {
                job* next = take_turn(*handler);
                if (next == nullptr) {
                    break;
                }
                execute(*next);
            }
            if (handler->running < handler->options().concurrency()) {
                handlers_.list(*handler); // the bus's limit stopped it, not its own
            }
        }
    }

    /// Those whose turn it is in their lanes wait at the gate; batches keep the lanes themselves.
    void to_gate(registration& handler) {
        admission& gate = *handler.gate;
        while (job* next = handler.ready.pop()) {
            if (!may_begin(*next, handlers_.late())) {
                finish(*next);
            } else if (next->in_lane) {
                if (has_turn(*next)) {
                    gate.back(*next, now_);
                }
            } else if (next->lane = lane_of(*next); gate.in_batches()) {
                gate.arrive(*next, now_);
            } else if (handler.lanes.enter(*next)) {
                handler.lanes.keep(*next);
                if (has_turn(*next)) {
                    gate.arrive(*next, now_);
                }
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
        return !handlers_.empty() && running_ < most_running_;
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
        // Its worker ran this job, maybe more, and told here that it is through, or is suspended.
        job* last = std::exchange(executing_, nullptr);
        while (worker* free = inline_ready_.pop()) {
            last = free->current == last ? nullptr : last;
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
        handlers_.list(*work.handler); // its limit may have stopped it
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
            give_up(work);
            finish(work);
            break;
        case result::kind::retry:
            retry(work);
            break;
        case result::kind::dead_letter:
            keep_lane(work);
            letters_.send(work);
            break;
        }
    }

    void retry(job& work) {
        if (work.of->abandoned || work.handler->closing) { // nothing begins any more
            give_up(work);
            finish(work);
            return;
        }
        keep_lane(work);
        // Not when this run of the home began: never too early.
        if (const auto due = next_try(work, host_->now())) {
            ends_here(work, false);
            ++work.attempt;
            delays_.add(*due, work);
        } else if (worth_trying(work) && retries_.takes(work)) {
            retries_.divert(work);
        } else {
            letters_.send(work);
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
            letters_.send(work);
        }
    }
    void dead(job& work) override { letters_.send(work); }
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
        retries_.over(work);
        registration& handler = *work.handler;
        if (in_batches(handler)) {
            work.in_lane = false;
            handler.gate->left(work, now_);
        }
        if (job* next = handler.lanes.leave(work)) {
            handler.ready.push_front(*next); // it had its turn before those that are there
            handlers_.list(handler);
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
    retry_topics retries_;
    std::size_t most_running_;
    ready_handlers handlers_{*host_};
    delays<job> delays_;
    gates gated_;              ///< of them
    job* executing_ = nullptr; ///< given to a worker that has not yet returned
    queue<worker> inline_ready_;
    volley* volley_ = nullptr; ///< being run
    clock::time_point now_{};
    std::size_t running_ = 0;
    bool shut_ = false;
};

} // namespace cobus::detail
