#pragma once

#include "../message_id.hpp"
#include "committer.hpp"
#include "dead_letters.hpp"
#include "delays.hpp"
#include "match.hpp"
#include "partitions.hpp"
#include "worker.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::detail {

struct dispatch_limits {
    std::size_t handlers = 256;   ///< running at once, over all registrations
    std::size_t partition = 1024; ///< unfinished messages of one partition, then it is held
    std::size_t total = 8192;     ///< unfinished messages, then nothing is fetched
    std::chrono::milliseconds drain{
        10000}; ///< running handlers of a revoked partition get this long
};

/// Between a stream and the handlers: order, concurrency, retries, dead letters, contiguous
/// commits. Knows no transport. Every call comes from the home, one at a time.
class dispatcher {
public:
    using clock = std::chrono::steady_clock;

    dispatcher(dispatch_host& host, std::string group, dispatch_limits limits)
        : host_(&host), group_(std::move(group)), limits_(limits), commits_(host) {}
    dispatcher(const dispatcher&) = delete;
    auto operator=(const dispatcher&) -> dispatcher& = delete;
    ~dispatcher() { context_gone(); }

    void open(std::unique_ptr<stream> from) {
        stream_ = std::move(from);
        traits_ = stream_->traits();
        commits_.pace(traits_);
    }
    [[nodiscard]] auto source() noexcept -> stream* { return stream_.get(); }
    void announce(const interest& wanted) {
        assigned_ = false;
        stream_->update(wanted);
    }
    /// Whether an assignment came since the last announcement.
    [[nodiscard]] auto assigned() const noexcept -> bool { return assigned_; }
    void handlers(const std::vector<std::shared_ptr<registration>>& all) {
        handlers_ = all;
        matches_.reset(all);
    }

    /// Does what can be done now. True: there is more, run again soon.
    auto run(clock::time_point now) -> bool {
        now_ = now;
        take_inline();
        commits_.settle(partitions_, now);
        while (job* each = delays_.pop(now)) {
            each->lettered ? send_letter(*each) : ready_.push(*each);
        }
        run_ready();
        const bool more = stream_ != nullptr && state_ != phase::closed && poll();
        give_back();
        if (stream_ != nullptr && state_ != phase::closed) {
            rebalance();
            close_step();
            // What dies with the process costs nothing to commit, and its publishers may wait for
            // the room.
            commits_.run(*stream_, partitions_, now_, traits_.dies_with_process && !more);
        }
        return more;
    }

    /// When `run` has something to do without being woken.
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        clock::time_point next = (std::min)(delays_.next(), commits_.due());
        if (leaving_) {
            next = (std::min)(next, leave_deadline_);
        }
        if (state_ == phase::draining) {
            next = (std::min)(next, deadline_);
        }
        return next;
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

    /// Stops fetching, lets running handlers end until `deadline`, commits and leaves the group.
    /// `run` does it; `closed()` tells.
    void close(clock::time_point deadline) {
        if (state_ != phase::open) {
            return;
        }
        state_ = phase::draining;
        deadline_ = deadline;
        if (!traits_.dies_with_process) {
            partitions_.each([this](partition_state& each) { purge(each); });
        }
        if (stream_ == nullptr) {
            state_ = phase::closed;
            return;
        }
        stream_->drain();
    }
    [[nodiscard]] auto closed() const noexcept -> bool { return state_ == phase::closed; }
    [[nodiscard]] auto unfinished() const noexcept -> std::size_t { return records_; }
    [[nodiscard]] auto dead_letters() const noexcept -> std::size_t { return letters_; }

    /// A handler is going: what waits for it counts as done by it.
    void drop_handler(registration& gone) {
        const auto all = [&gone](const job& each) { return each.handler == &gone; };
        const auto drop = [this](job& each) { finish(each); };
        gone.lanes.remove_if(all, drop);
        gone.blocked.remove_if(all, drop);
        ready_.remove_if(all, drop);
        delays_.remove_if(all, drop);
        give_back();
    }

    /// As a crash would: nothing more is begun or committed; handlers that run are asked to end,
    /// and what they read stays.
    void abandon() {
        state_ = phase::closed;
        partitions_.each([this](partition_state& each) { purge(each); });
        cancel_running();
        give_back();
        if (stream_ != nullptr) {
            stream_->abandon();
        }
        let_go();
    }
    /// Begins nothing more.
    void shut() noexcept { state_ = phase::closed; }
    /// No handler will ever run again: frees everything.
    void context_gone() noexcept {
        state_ = phase::closed;
        partitions_.all([this](partition_state& each) {
            while (each.records != nullptr) {
                record& item = *each.records;
                each.unlink(item);
                back_.push_back(item.from);
                erase(item);
            }
        });
        give_back();
        stream_.reset();
    }

private:
    enum class phase : unsigned char { open, draining, closing, closed };
    static constexpr std::size_t batch = 64;
    static constexpr int polls_per_run = 4;

    // --- in: from the stream to the lanes

    auto poll() -> bool {
        std::array<delivery, batch>
            room; // NOLINT(cppcoreguidelines-pro-type-member-init): filled by poll
        for (int i = 0; i < polls_per_run; ++i) {
            const bool fetch = records_ < limits_.total && may_fetch();
            dry_ = false;
            const polled got = stream_->poll(std::span(room).first(fetch ? batch : 0));
            switch (got.what) {
            case signal::none:
                dry_ = fetch;
                return false;
            case signal::messages:
                for (delivery& each : std::span(room).first(got.count)) {
                    admit(each);
                }
                run_ready();
                give_back();
                break;
            case signal::assigned:
                partitions_.assign(got.partitions, got.epoch);
                assigned_ = true;
                stream_->settled(got.epoch);
                break;
            case signal::revoked:
                begin_leave(got, now_ + limits_.drain);
                break;
            case signal::lost:
                lose(got);
                break;
            case signal::closed:
                state_ = phase::closed;
                return false;
            case signal::failed:
                if (std::exchange(failed_, true)) {
                    return false;
                }
                host_->log(log_level::error, "consuming stopped for good: " + got.ec.message());
                partitions_.each([this](partition_state& each) { purge(each); });
                return false;
            }
        }
        return true;
    }
    [[nodiscard]] auto may_fetch() const noexcept -> bool {
        return !failed_ &&
               (state_ == phase::open || (state_ == phase::draining && traits_.dies_with_process));
    }

    void admit(delivery& from) {
        partition_state* partition = partitions_.find(from.where, from.epoch);
        if (partition == nullptr || partition->leaving) {
            back_.push_back(from);
            return;
        }
        const match_table::handlers& wanted = matches_.find(*from.content);
        const watermark::ticket ticket = partition->mark.begin(from.offset);
        if (wanted.empty()) { // a type without a handler here is done, not undecodable
            tell(*from.content, true);
            partition->mark.finish(ticket);
            commits_.finished_one(now_);
            back_.push_back(from);
            return;
        }
        auto* item = pool_new<record>();
        item->from = from;
        item->partition = partition;
        item->ticket = ticket;
        item->unfinished = wanted.size();
        partition->link(*item);
        ++records_;
        if (partition->in_flight >= limits_.partition && !partition->held) {
            partition->held = true;
            stream_->hold(partition->where, true);
        }
        for (registration* each : wanted) {
            begin(*item, *each);
        }
    }

    void begin(record& of, registration& handler) {
        auto* work = pool_new<job>();
        work->of = &of;
        work->handler = &handler;
        work->sibling = std::exchange(of.jobs, work);
        ++handler.unfinished;
        if (codec_result made = handler.prepare(*of.from.content); !made.ok()) {
            work->ended = result::undecodable(made.problem());
            send_letter(*work); // outside of its lane, which another may hold
            return;
        }
        if (handler.lanes.busy() > 0) { // else nobody is suspended, and no lane can be taken
            work->lane = lane_of(*work);
            if (!handler.lanes.enter(*work)) {
                return;
            }
        }
        if (ready_.empty() && may_run(handler)) {
            execute(*work);
            return;
        }
        keep_lane(*work);
        ready_.push(*work);
    }

    [[nodiscard]] auto lane_of(const job& work) const noexcept -> std::uint64_t {
        const delivery& from = work.of->from;
        const std::hash<std::string_view> hash;
        std::uint64_t lane = std::hash<const void*>()(from.where.topic) * 31U +
                             static_cast<std::uint64_t>(from.where.partition);
        switch (work.handler->options().ordered()) {
        case order::by_partition:
            break;
        case order::by_key:
            if (const auto key = from.content->key()) {
                lane ^= hash(*key) * 0x9E3779B97F4A7C15U;
            }
            break;
        case order::unordered:
            lane ^= (static_cast<std::uint64_t>(from.offset) + 1) * 0x9E3779B97F4A7C15U;
            break;
        }
        return lane;
    }
    void keep_lane(job& work) {
        if (!work.in_lane) {
            work.lane = lane_of(work);
            work.handler->lanes.keep(work);
        }
    }

    // --- running

    [[nodiscard]] auto may_run(const registration& handler) const noexcept -> bool {
        return running_ < limits_.handlers && handler.running < handler.options().concurrency();
    }

    void run_ready() {
        while (running_ < limits_.handlers) {
            job* next = ready_.pop();
            if (next == nullptr) {
                return;
            }
            if (may_run(*next->handler)) {
                execute(*next);
            } else {
                next->handler->blocked.push(*next);
            }
        }
    }

    /// Workers that ended on this thread without `execute` waiting for them.
    void take_inline() {
        while (worker* free = inline_ready_.pop()) {
            worker_ready(*free);
        }
    }

    void execute(job& work) {
        ++running_;
        ++work.handler->running;
        if (work.handler->run(work)) {
            ended(work);
            return;
        }
        // The coroutine has either ended already, and told so on this thread, or it is suspended.
        bool over = false;
        while (worker* free = inline_ready_.pop()) {
            if (free->current == &work) {
                over = true;
                free->current = nullptr;
                free->of().take_back(*free);
            } else {
                worker_ready(*free);
            }
        }
        if (over) {
            ended(work);
        } else {
            keep_lane(work);
        }
    }

    void ended(job& work) {
        registration& handler = *work.handler;
        --running_;
        --handler.running;
        if (job* next = handler.blocked.pop()) {
            ready_.push(*next);
        }
        switch (work.ended.what()) {
        case result::kind::done:
        case result::kind::skip:
            finish(work);
            return;
        case result::kind::cancelled:
            work.of->abandoned = true;
            finish(work);
            return;
        case result::kind::retry:
            retry(work);
            return;
        case result::kind::dead_letter:
            keep_lane(work);
            send_letter(work);
            return;
        }
    }

    void retry(job& work) {
        const retry_policy& policy = work.handler->options().retry();
        if (work.of->abandoned) {
            finish(work);
            return;
        }
        if (policy.exhausted(work.attempt) || !policy.worth_retrying(work.ended.error())) {
            keep_lane(work);
            send_letter(work);
            return;
        }
        const auto asked = work.ended.delay();
        const auto wait =
            asked.count() >= 0 ? asked : policy.wait(work.attempt, fast_random::local()());
        ++work.attempt;
        keep_lane(work);
        delays_.add(now_ + wait, work);
    }

    // --- dead letters: the message is finished only when its letter is acknowledged

    class letter final : public internal_send {
    public:
        letter(dispatcher& home, job& of) noexcept : home_(&home), of_(&of) {}
        void sent(std::error_code ec) noexcept override {
            dispatcher& home = *home_;
            job& of = *of_;
            pool_delete(this);
            home.letter_sent(of, ec);
        }

    private:
        dispatcher* home_;
        job* of_;
    };

    void send_letter(job& work) {
        const std::string& topic = *work.of->from.where.topic;
        work.of->failed = true;
        if (!work.lettered) {
            work.lettered = true;
            host_->log(log_level::warning,
                       "handler '" + work.handler->name() + "' gave up on " +
                           std::string(work.of->from.content->type()) + " at " + topic + "/" +
                           std::to_string(work.of->from.where.partition) + "/" +
                           std::to_string(work.of->from.offset) + " after " +
                           std::to_string(work.attempt) +
                           (work.attempt == 1 ? " try: " : " tries: ") + work.ended.reason());
        }
        if (is_dead_letter_topic(topic)) { // no dead letters of dead letters
            finish(work);
            return;
        }
        host_->send(make_dead_letter(work, group_), *pool_new<letter>(*this, work));
    }
    void letter_sent(job& work, std::error_code ec) {
        if (!ec) {
            ++letters_;
            finish(work);
            return;
        }
        if (work.of->abandoned || state_ == phase::closed) {
            work.of->abandoned = true;
            finish(work);
            return;
        }
        host_->log(log_level::warning,
                   "a dead letter was refused and will be sent again: " + ec.message());
        delays_.add(now_ + std::chrono::seconds(1), work);
    }

    // --- out: finished messages

    void finish(job& work) {
        registration& handler = *work.handler;
        if (job* next = handler.lanes.leave(work)) {
            ready_.push(*next);
        }
        --handler.unfinished;
        if (--work.of->unfinished == 0) {
            finish(*work.of);
        }
    }
    static void erase(record& item) noexcept {
        while (item.jobs != nullptr) {
            pool_delete(std::exchange(item.jobs, item.jobs->sibling));
        }
        pool_delete(&item);
    }
    void finish(record& item) {
        partition_state& partition = *item.partition;
        if (!item.abandoned && !partition.gone) {
            tell(*item.from.content, !item.failed);
            partition.mark.finish(item.ticket);
            commits_.finished_one(now_);
        }
        partition.unlink(item);
        --records_;
        if (partition.held && partition.in_flight <= limits_.partition / 2 && !partition.gone &&
            stream_ != nullptr) {
            partition.held = false;
            stream_->hold(partition.where, false);
        }
        back_.push_back(item.from);
        erase(item);
        if (partition.gone) {
            partitions_.sweep();
        }
        let_go();
    }
    /// After `abandon`, the stream goes when nobody reads from it any more.
    void let_go() {
        if (state_ == phase::closed && records_ == 0) {
            give_back();
            stream_.reset();
        }
    }
    void tell(const message& content, bool all_done) noexcept {
        if (handled_observer* waiting = content.observer(host_)) {
            waiting->handled(all_done);
        }
    }
    void give_back() {
        if (!back_.empty()) {
            if (stream_ != nullptr) {
                stream_->give_back(back_);
            }
            back_.clear();
        }
    }

    // --- rebalance

    /// Takes out everything of the partition that has not begun, or waits for a retry.
    void purge(partition_state& partition) {
        for (record* each = partition.records; each != nullptr; each = each->next) {
            each->abandoned = true;
        }
        const auto unwanted = [](const job& each) { return each.of->abandoned; };
        const auto drop = [this](job& each) { finish(each); };
        each_handler([&](registration& handler) { handler.lanes.remove_if(unwanted, drop); });
        each_handler([&](registration& handler) { handler.blocked.remove_if(unwanted, drop); });
        ready_.remove_if(unwanted, drop);
        delays_.remove_if(unwanted, drop);
    }
    template <class F> void each_handler(F visit) {
        for (const auto& each : handlers_) {
            visit(*each);
        }
    }
    void cancel_running() {
        const auto wanted = [](const job& work, const void* all) {
            return all != nullptr || work.of->abandoned;
        };
        each_handler([&](registration& handler) { handler.cancel(wanted, nullptr); });
    }

    void begin_leave(const polled& what, clock::time_point deadline) {
        leaving_ = true;
        leave_epoch_ = what.epoch;
        leave_deadline_ = state_ == phase::open ? deadline : (std::min)(deadline, deadline_);
        partitions_.each(what.partitions, [this](partition_state& each) {
            each.leaving = true;
            stop_waiting(each);
        });
    }
    /// As `purge`, but what runs may still count as handled.
    void stop_waiting(partition_state& partition) {
        const auto unwanted = [&partition](const job& each) {
            return each.of->partition == &partition;
        };
        const auto drop = [this](job& each) {
            each.of->abandoned = true;
            finish(each);
        };
        each_handler([&](registration& handler) { handler.lanes.remove_if(unwanted, drop); });
        each_handler([&](registration& handler) { handler.blocked.remove_if(unwanted, drop); });
        ready_.remove_if(unwanted, drop);
        delays_.remove_if(unwanted, drop);
    }
    void lose(const polled& what) {
        partitions_.each(what.partitions, [this](partition_state& each) { purge(each); });
        cancel_running();
        drop_partitions([&what](const partition_state& each) {
            return std::find(what.partitions.begin(), what.partitions.end(), each.where) !=
                   what.partitions.end();
        });
        stream_->settled(what.epoch);
    }
    template <class Predicate> void drop_partitions(Predicate which) {
        std::vector<partition_state*> gone;
        partitions_.each([&](partition_state& each) {
            if (which(each)) {
                gone.push_back(&each);
            }
        });
        for (partition_state* each : gone) {
            partitions_.drop(*each);
        }
    }

    /// Gives revoked partitions up once their handlers have ended, or had their time, and it is
    /// committed.
    void rebalance() {
        if (!leaving_) {
            return;
        }
        std::size_t busy = 0;
        partitions_.each(
            [&busy](const partition_state& each) { busy += each.leaving ? each.in_flight : 0; });
        if (busy > 0 && now_ < leave_deadline_) {
            return;
        }
        if (commits_.run(*stream_, partitions_, now_, true) && now_ < leave_deadline_) {
            return;
        }
        if (busy > 0) {
            partitions_.each([this](partition_state& each) {
                if (each.leaving) {
                    purge(each);
                }
            });
            cancel_running();
        }
        drop_partitions([](const partition_state& each) { return each.leaving; });
        leaving_ = false;
        stream_->settled(leave_epoch_);
        host_->wake();
    }

    // --- closing

    void close_step() {
        if (state_ == phase::draining && (records_ == 0 || now_ >= deadline_)) {
            if (traits_.dies_with_process && !dry_ && now_ < deadline_) {
                return;
            }
            if (records_ > 0) {
                partitions_.each([this](partition_state& each) { purge(each); });
                cancel_running();
                give_back();
            }
            if (commits_.run(*stream_, partitions_, now_, true) && now_ < deadline_) {
                return;
            }
            state_ = phase::closing;
            closing_.completed = [](operation& /*self*/) noexcept {
            }; // the stream says `closed` too
            stream_->close(closing_);
            host_->wake();
        }
    }
    dispatch_host* host_;
    std::string group_;
    dispatch_limits limits_;
    std::unique_ptr<stream> stream_;
    stream_traits traits_;
    std::vector<std::shared_ptr<registration>> handlers_;
    match_table matches_;
    partitions partitions_;
    committer commits_;
    delays<job> delays_;
    queue<job> ready_;
    queue<worker> inline_ready_;
    std::vector<delivery> back_;
    clock::time_point now_{};
    std::size_t running_ = 0;
    std::size_t records_ = 0;
    std::size_t letters_ = 0;
    phase state_ = phase::open;
    bool failed_ = false;
    bool assigned_ = false;
    bool dry_ = false; ///< the last poll found nothing
    clock::time_point deadline_{};
    operation closing_;
    bool leaving_ = false;
    std::uint32_t leave_epoch_ = 0;
    clock::time_point leave_deadline_{};
};

} // namespace cobus::detail
