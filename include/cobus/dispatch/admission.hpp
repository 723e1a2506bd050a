#pragma once

#include "../middleware/circuit_breaker.hpp"
#include "../middleware/rate_limit.hpp"
#include "batches.hpp"
#include "claims.hpp"
#include "handler_options.hpp"
#include "job.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::detail {

/// What stands between a handler and its next run, for handlers that asked for any of it: breaker,
/// rate limit, deduplication, batches, and the time limit of what runs. Whoever is not let through
/// waits here, holding its lane but neither a worker nor an attempt. Home only; does no I/O but the
/// store's.
class admission {
public:
    using clock = std::chrono::steady_clock;
    using moment = claims::moment;

    admission(const handler_options& how, std::string_view group, claims::say log)
        : name_(how.name()),
          say_(log),
          retry_(how.retry()),
          time_limit_(how.time_limit()),
          claims_(how, group, std::move(log)) {
        if (how.breaker()) {
            breaker_.emplace(*how.breaker());
        }
        if (how.rate()) {
            bucket_.emplace(*how.rate());
        }
        if (how.batch()) {
            batches_.emplace(how.batch()->count, how.batch()->within);
        }
    }
    admission(const admission&) = delete;
    auto operator=(const admission&) -> admission& = delete;

    /// In batches, the lanes are kept here.
    [[nodiscard]] auto in_batches() const noexcept -> bool { return batches_.has_value(); }

    /// It is this job's turn, by its lane; or, in batches, the job is new.
    void arrive(job& work, clock::time_point now) {
        if (batches_) {
            batches_->add(work, now);
        } else {
            waiting_.push_back(&work);
        }
    }
    /// It has waited for another try.
    void back(job& work, clock::time_point now) {
        if (batches_) {
            batches_->back(work, now);
        } else {
            waiting_.push_back(&work);
        }
    }
    /// Looks again at those whose copies were at work.
    void revive(clock::time_point now) {
        claims_.revive(now, [&](job& each) { back(each, now); });
    }

    struct admitted {
        job* work = nullptr; ///< null: nobody, for now; the first of a batch stands for all of it
        bool runs = false;   ///< else it was handled before, and is finished
    };
    /// Who comes next, if somebody may run: the caller has a place for one more run.
    [[nodiscard]] auto next(moment at) -> admitted {
        for (;;) {
            if (!handled_before_.empty()) {
                job* work = handled_before_.front();
                handled_before_.pop_front();
                return {work, false};
            }
            if (ready() > at.now || opens() > at.now) {
                return {};
            }
            if (job* work = batches_ ? next_batch(at) : next_one(at)) {
                return {work, true};
            }
        }
    }
    /// When somebody who waits may get through, or something has to be looked at; `room`: whether
    /// there is a place for one more run.
    [[nodiscard]] auto due(bool room) const noexcept -> clock::time_point {
        auto when = claims_.due();
        if (!running_.empty()) {
            when = (std::min)(when, running_.front().first);
        }
        const auto next = ready();
        return room && next != (clock::time_point::max)()
                   ? (std::min)(when, (std::max)(next, opens()))
                   : when;
    }

    /// The handler of that job is suspended: from now on its time is limited.
    void suspended(job& work, clock::time_point now) {
        if (time_limit_) {
            running_.emplace_back(now + *time_limit_, &work);
        }
    }
    /// Marks those whose time is over as late. True: there are such, to be cancelled.
    [[nodiscard]] auto time_is_up(clock::time_point now) -> bool {
        bool any = false;
        while (!running_.empty() && running_.front().first <= now) {
            running_.front().second->late = true;
            running_.pop_front();
            any = true;
        }
        return any;
    }

    /// A run ended; in batches, `settle` instead.
    void ended(job& work, moment at) {
        over(work, at.now);
        claims_.ended(work, handled(work), at);
    }
    /// The batch that `first` stands for ended; `keep`: it may run again. Those returned have their
    /// result; the others wait behind them, or for another run.
    [[nodiscard]] auto settle(job& first, bool keep, moment at) -> std::vector<job*>;
    /// The job is over, by whatever way.
    void left(job& work, clock::time_point now) {
        if (batches_) {
            batches_->leave(work, now);
        }
    }
    /// Nothing more will come: nobody waits for a full batch.
    void hurry() noexcept {
        if (batches_) {
            batches_->hurry();
        }
    }
    /// Takes out the waiting ones that `unwanted` says.
    template <class Predicate, class Sink> void remove_if(Predicate unwanted, Sink sink) {
        std::vector<job*> gone;
        const auto take_out = [&](job* each) {
            if (unwanted(*each)) {
                gone.push_back(each);
                return true;
            }
            return false;
        };
        std::erase_if(waiting_, take_out);
        std::erase_if(handled_before_, take_out);
        claims_.remove_if(unwanted, [&](job& each) { gone.push_back(&each); });
        if (batches_) {
            const std::vector<job*> more = batches_->remove_if(unwanted);
            gone.insert(gone.end(), more.begin(), more.end());
        }
        for (job* each : gone) {
            sink(*each);
        }
    }

private:
    using fate = batches<job>::fate;

    /// When the first of those waiting wants to run.
    [[nodiscard]] auto ready() const noexcept -> clock::time_point {
        return batches_           ? batches_->ready()
               : waiting_.empty() ? (clock::time_point::max)()
                                  : (clock::time_point::min)();
    }
    /// When the next run may begin.
    [[nodiscard]] auto opens() const noexcept -> clock::time_point {
        auto when = claims_.opens();
        if (breaker_) {
            when = (std::max)(when, breaker_->opens());
        }
        if (bucket_) {
            when = (std::max)(when, bucket_->opens());
        }
        return when;
    }
    [[nodiscard]] auto next_one(moment at) -> job* {
        job& work = *waiting_.front();
        waiting_.pop_front();
        switch (claims_.claim(work, at)) {
        case claims::verdict::run:
            begin(work, 1, at.now);
            return &work;
        case claims::verdict::done:
            handled_before_.push_back(&work);
            break;
        case claims::verdict::busy:
            claims_.hold(work, at.now);
            break;
        case claims::verdict::unknown:
            waiting_.push_front(&work);
            break;
        }
        return nullptr;
    }
    [[nodiscard]] auto next_batch(moment at) -> job*;
    void begin(job& work, std::size_t count, clock::time_point now) {
        work.late = false;
        work.round = breaker_ ? breaker_->begun() : std::uint8_t{0};
        if (bucket_) {
            bucket_->take(count, now);
        }
    }

    [[nodiscard]] static auto handled(const job& work) noexcept -> bool {
        return work.ended.well();
    }
    /// Turns a run that was cancelled for its time into a failed try, and tells the breaker.
    void over(job& work, clock::time_point now) {
        std::erase_if(running_, [&work](const auto& each) { return each.second == &work; });
        if (std::exchange(work.late, false) && work.ended.what() == result::kind::cancelled) {
            work.ended = result(outcome::retry_after(
                std::chrono::milliseconds(-1), "it took longer than its limit of " +
                                                   std::to_string(time_limit_->count()) + " ms"));
        }
        if (breaker_ && breaker_->ended(work.round, judge(work.ended), now)) {
            tell_breaker(work.ended);
        }
    }
    [[nodiscard]] auto judge(const result& ended) const -> circuit_breaker::verdict {
        using verdict = circuit_breaker::verdict;
        switch (ended.what()) {
        case result::kind::done:
        case result::kind::skip:
            return verdict::good;
        case result::kind::retry:
            return retry_.worth_retrying(ended.error()) ? verdict::bad : verdict::neither;
        default:
            return verdict::neither;
        }
    }
    void tell_breaker(const result& ended) const {
        if (breaker_->now_is() == circuit_breaker::state::closed) {
            say_(log_level::info, "handler '" + name_ + "' works again: its breaker closes");
        } else {
            say_(log_level::warning, "handler '" + name_ + "' pauses for " +
                                         std::to_string(breaker_->wait().count()) +
                                         " ms, its breaker opens: " + std::string(ended.reason()));
        }
    }

    std::string name_;
    claims::say say_;
    retry_policy retry_;
    std::optional<std::chrono::milliseconds> time_limit_;
    std::optional<circuit_breaker> breaker_;
    std::optional<token_bucket> bucket_;
    std::optional<batches<job>> batches_;
    claims claims_;
    std::deque<job*> waiting_;
    std::deque<job*> handled_before_;
    std::deque<std::pair<clock::time_point, job*>> running_; ///< with a time limit, soonest first
};

// A batch is a chain of jobs, in no other queue while it runs: the first stands for all.

inline auto admission::next_batch(moment at) -> job* {
    std::vector<job*> batch = batches_->take();
    std::vector<fate> fates(batch.size(), fate::again);
    std::vector<claims::verdict> said(batch.size(), claims::verdict::unknown);
    for (std::size_t i = 0; i < batch.size(); ++i) {
        said[i] = claims_.claim(*batch[i], at);
        fates[i] = said[i] == claims::verdict::run    ? fate::under_way
                   : said[i] == claims::verdict::done ? fate::finished
                   : said[i] == claims::verdict::busy ? fate::kept
                                                      : fate::again;
        if (said[i] == claims::verdict::unknown) {
            break; // the store fails: the others were not asked about
        }
    }
    batches_->settle(batch, fates, at.now);
    job* first = nullptr;
    job* last = nullptr;
    std::size_t count = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        job& each = *batch[i];
        each.queue_next = nullptr;
        if (fates[i] == fate::under_way) {
            (last != nullptr ? last->queue_next : first) = &each;
            last = &each;
            ++count;
        } else if (fates[i] == fate::finished) {
            handled_before_.push_back(&each);
        } else if (fates[i] == fate::kept) {
            claims_.hold(each, at.now);
        } else if (said[i] == claims::verdict::run) {
            claims_.ended(each, false, at); // behind one that waits
        }
    }
    if (first != nullptr) {
        begin(*first, count, at.now);
    }
    return first;
}

inline auto admission::settle(job& first, bool keep, moment at) -> std::vector<job*> {
    std::vector<job*> batch;
    for (job* each = &first; each != nullptr; each = std::exchange(each->queue_next, nullptr)) {
        batch.push_back(each);
    }
    over(first, at.now);
    // An exception, or its time was over: some event of it may be to blame.
    const bool failed = !first.split && first.ended.what() == result::kind::retry;
    const bool cancelled = first.ended.what() == result::kind::cancelled;
    std::vector<fate> fates;
    for (job* each : batch) { // the first one first
        if (!first.split) {
            each->ended = first.ended.copy();
            each->alone = each->alone || failed;
        }
        fates.push_back(!keep || each->of->abandoned ? fate::gone
                        : cancelled                  ? fate::again
                        : handled(*each)             ? fate::finished
                                                     : fate::kept);
    }
    first.split = false;
    batches_->settle(batch, fates, at.now);
    std::vector<job*> judged;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        claims_.ended(*batch[i], fates[i] != fate::again && handled(*batch[i]), at);
        if (fates[i] != fate::again) {
            judged.push_back(batch[i]);
        }
    }
    return judged;
}

} // namespace cobus::detail
