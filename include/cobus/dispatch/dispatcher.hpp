#pragma once

#include "committer.hpp"
#include "departures.hpp"
#include "limits.hpp"
#include "match.hpp"
#include "partitions.hpp"
#include "runner.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Between a stream and the handlers: takes messages in, gives them to the runner, commits what is
/// finished, answers rebalances, and ends in order. Knows no transport. Home only.
class dispatcher final : private record_sink {
public:
    using clock = std::chrono::steady_clock;

    dispatcher(dispatch_host& host, const std::string& group, const dispatch_limits& limits)
        : host_(&host),
          limits_(limits),
          matches_(group, limits.honour_marks),
          commits_(host),
          runner_(host, *this, group, limits) {
        closing_.completed = [](operation& /*self*/) noexcept {}; // the stream says `closed` too
    }
    dispatcher(const dispatcher&) = delete;
    auto operator=(const dispatcher&) -> dispatcher& = delete;
    ~dispatcher() { context_gone(); }

    void open(std::unique_ptr<stream> from) {
        stream_ = std::move(from);
        traits_ = stream_->traits();
        commits_.pace(traits_);
    }
    [[nodiscard]] auto is_open() const noexcept -> bool { return stream_ != nullptr; }
    void announce(const interest& wanted) {
        assigned_ = false;
        stream_->update(wanted);
    }
    /// Whether messages would come that are published from now on.
    [[nodiscard]] auto assigned() const noexcept -> bool {
        return assigned_ && stream_ != nullptr && stream_->receives();
    }
    void handlers(const std::vector<std::shared_ptr<registration>>& all) {
        runner_.handlers(all);
        matches_.reset(all);
        departures_.look(matches_);
    }
    /// A handler is going, which is none of `handlers` any more.
    void drop_handler(registration& gone) {
        departures_.drop_waiting(gone);
        give_back();
    }
    [[nodiscard]] auto runs() noexcept -> runner& { return runner_; }
    [[nodiscard]] auto retry_tiers() const noexcept { return limits_.retry_delays.size(); }
    /// From any thread.
    [[nodiscard]] auto unknown_types() const noexcept { return matches_.unknown_types(); }

    /// Does what can be done now; a `brief` run polls once, and leaves the rest, and commits that
    /// cost nothing, to another. True: there is more, run again soon.
    auto run(clock::time_point now, bool brief = false) -> bool {
        now_ = now;
        runner_.run(now);
        if (stream_ == nullptr || state_ == phase::closed) {
            give_back();
            return false;
        }
        commits_.settle(partitions_, now);
        if (runner_.retries().commits_again(now)) {
            partitions_.each([this](partition_state& each) { commit_again(each); });
        }
        const bool more = poll(brief ? 1 : polls_per_run);
        give_back();
        if (stream_ != nullptr && state_ != phase::closed) {
            departures_.step(*stream_, now_);
            close_step();
            commits_.run(*stream_, partitions_, now_, commits_are_free() && !more && !brief);
            tell_handled();
        }
        return more;
    }

    /// Whether something waits for a run that is not brief.
    [[nodiscard]] auto left_by_brief() const noexcept -> bool {
        return commits_are_free() && commits_.pending();
    }
    /// When `run` has something to do without being woken. Whoever is closed waits for nothing.
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        if (state_ == phase::closed) {
            return (clock::time_point::max)();
        }
        const auto next = (std::min)({runner_.due(), commits_.due(), departures_.due()});
        return state_ == phase::draining ? (std::min)(next, deadline_) : next;
    }

    /// Stops fetching, lets running handlers end until `deadline`, commits and leaves the group.
    /// `run` does it; `closed()` tells.
    void close(clock::time_point deadline) {
        if (state_ != phase::open) {
            return;
        }
        deadline_ = deadline;
        if (stream_ == nullptr) {
            state_ = phase::closed;
            return;
        }
        state_ = phase::draining;
        runner_.hurry();
        partitions_.each([](partition_state& each) { each.ending = true; });
        if (!traits_.dies_with_process) {
            partitions_.each([this](partition_state& each) { departures_.drop_waiting(each); });
        }
        stream_->drain();
    }
    [[nodiscard]] auto closed() const noexcept -> bool { return state_ == phase::closed; }
    [[nodiscard]] auto unfinished() const noexcept -> std::size_t { return records_; }

    /// As a crash would: nothing more is begun or committed; handlers that run are asked to end,
    /// and what they read stays.
    void abandon() {
        shut();
        partitions_.each([this](partition_state& each) { departures_.abandon(each); });
        runner_.cancel_abandoned();
        give_back();
        if (stream_ != nullptr) {
            stream_->abandon();
        }
        let_go();
    }
    /// Begins nothing more.
    void shut() noexcept {
        state_ = phase::closed;
        runner_.shut();
    }
    /// No handler will ever run again: frees everything.
    void context_gone() noexcept {
        shut();
        partitions_.all([this](partition_state& each) {
            while (each.records != nullptr) {
                record& item = *each.records;
                each.unlink(item);
                back_.push_back(item.delivered());
                erase(item);
            }
        });
        give_back();
        stream_.reset();
    }

private:
    class volley_end {
    public:
        volley_end(dispatcher& of, std::size_t first) noexcept : of_(&of), first_(first) {}
        volley_end(const volley_end&) = delete;
        auto operator=(const volley_end&) -> volley_end& = delete;
        ~volley_end() { of_->end_volley(first_); }

    private:
        dispatcher* of_;
        std::size_t first_; ///< of its messages in `room_`
    };
    enum class phase : unsigned char { open, draining, closing, closed };
    static constexpr std::size_t batch = volley::most;
    static constexpr int polls_per_run = 4;

    auto poll(int times) -> bool {
        for (int i = 0; i < times; ++i) {
            const bool fetch =
                records_ - runner_.retries().waiting() < limits_.total && may_fetch();
            const polled got = stream_->poll(std::span(room_).first(fetch ? batch : 0));
            dry_ = fetch && got.what == signal::none;
            if (got.what == signal::none) {
                return false;
            }
            if (got.what == signal::messages) {
                admit_all(got.count);
                runner_.run_ready();
                give_back();
            } else if (!take_signal(got)) {
                return false;
            }
        }
        return true;
    }
    [[nodiscard]] auto may_fetch() const noexcept -> bool {
        const bool draining = state_ == phase::draining && traits_.dies_with_process;
        return !failed_ && (state_ == phase::open || draining);
    }

    /// False: polling on makes no sense.
    auto take_signal(const polled& got) -> bool {
        switch (got.what) {
        case signal::assigned:
            partitions_.assign(got.partitions, got.epoch, got.committed);
            assigned_ = true;
            stream_->settled(got.epoch);
            runner_.retries().assigned(partitions_, got.partitions, got.epoch,
                                       [this](partition_state& each) { hold(each); });
            host_->wake();
            return true;
        case signal::revoked:
            departures_.begin(got, leave_limit());
            return true;
        case signal::lost:
            departures_.lose(*stream_, got);
            return true;
        case signal::closed:
            state_ = phase::closed;
            return false;
        case signal::failed:
            if (!std::exchange(failed_, true)) {
                host_->log(log_level::error, "consuming stopped for good: " + got.ec.message());
                partitions_.each([this](partition_state& each) { departures_.abandon(each); });
            }
            return false;
        default:
            return true;
        }
    }

    /// What dies with the process costs nothing to commit, and publishers may wait for room.
    [[nodiscard]] auto commits_are_free() const noexcept -> bool {
        return traits_.dies_with_process && !traits_.commits_cost;
    }

    void admit_all(std::size_t count);
    void admit(const delivery& from, partition_state* partition);
    void admit_waiting(const delivery& from, partition_state& at, watermark::ticket ticket);
    [[nodiscard]] auto admit_together(std::size_t first, std::size_t end) -> std::size_t;
    [[nodiscard]] static auto is_plain(const delivery& from, const partition_state* at) -> bool;
    void end_volley(std::size_t first) noexcept;
    /// So that ending needs no memory.
    void reserve_back(std::size_t more) {
        const std::size_t needed = back_.size() + records_ + more;
        if (needed > back_.capacity()) {
            back_.reserve(2 * needed + batch);
        }
    }
    void keep(record& item, std::size_t most) noexcept {
        item.partition->link(item);
        ++records_;
        if (item.partition->in_flight >= most) {
            hold(*item.partition);
        }
    }

    void finished(record& item) override {
        if (item.together) {
            return; // `end_volley` sees it
        }
        partition_state& partition = *item.partition;
        if (!item.abandoned && !partition.gone) {
            finish(partition, item.ticket, *item.from.content, !item.failed);
        } else if (state_ == phase::open) { // it may come again, but nobody says when
            tell_caller(*host_, *item.from.content, false);
        }
        partition.unlink(item);
        --records_;
        loosen(partition);
        back_.push_back(item.delivered());
        erase(item);
        if (partition.gone) {
            partitions_.sweep();
        }
        let_go();
    }
    void stopped(record& item) override {
        item.partition->stopped = true;
        hold(*item.partition);
    }
    void may_go_on(partition_state& which) override { loosen(which); }
    void hold(partition_state& partition) noexcept {
        if (!partition.held && stream_ != nullptr) {
            partition.held = true;
            stream_->hold(partition.where, true);
        }
    }
    /// Lets a held partition go on, if nothing speaks against it any more.
    void loosen(partition_state& partition) {
        if (partition.held && stream_ != nullptr &&
            partition.may_go_on(
                (retry_topics::is_retry(partition) ? limits_.retries : limits_.partition) / 2)) {
            partition.held = false;
            stream_->hold(partition.where, false);
        }
    }
    void finish(partition_state& in, watermark::ticket which, const message& content, bool good) {
        tell_caller(*host_, content, good);
        in.finish(which);
        commits_.finished_one(partitions_, in, now_);
    }
    void tell_handled() {
        if (stream_ == nullptr || !traits_.follows) {
            return;
        }
        partitions_.each_touched([this](partition_state& each) {
            const std::int64_t below = each.mark.committable();
            if (below != each.told && !each.leaving) {
                each.told = below;
                stream_->handled(each.where, below);
            }
        });
    }
    void commit_again(partition_state& which) {
        if (retry_topics::is_retry(which) && which.committed >= 0 && which.committing < 0) {
            which.committed = -1;
            commits_.finished_one(partitions_, which, now_);
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
    /// After `abandon`, the stream goes when nobody reads from it any more.
    void let_go() {
        if (state_ == phase::closed && records_ == 0) {
            give_back();
            stream_.reset();
        }
    }

    /// Until when handlers of partitions that leave now may run.
    [[nodiscard]] auto leave_limit() const noexcept -> clock::time_point {
        const auto limit = now_ + limits_.drain;
        return state_ == phase::open ? limit : (std::min)(limit, deadline_);
    }

    void close_step() {
        const bool late = now_ >= deadline_;
        if (state_ != phase::draining || !(records_ == 0 || late) ||
            (traits_.dies_with_process && !dry_ && !late)) {
            return;
        }
        if (records_ > 0) {
            partitions_.each([this](partition_state& each) { departures_.abandon(each); });
            runner_.cancel_abandoned();
            give_back();
        }
        if (commits_.run(*stream_, partitions_, now_, true) && !late) {
            return;
        }
        state_ = phase::closing;
        stream_->close(closing_);
        host_->wake();
    }

    dispatch_host* host_;
    dispatch_limits limits_;
    std::unique_ptr<stream> stream_;
    stream_traits traits_;
    match_table matches_;
    partitions partitions_;
    committer commits_;
    runner runner_;
    departures departures_{*host_, partitions_, commits_, runner_};
    std::array<delivery, batch> room_;
    std::array<partition_state*, batch> of_{}; ///< the partitions of those in `room_`
    std::vector<delivery> back_;
    volley volley_;
    clock::time_point now_{};
    clock::time_point deadline_{};
    operation closing_;
    std::size_t records_ = 0;
    phase state_ = phase::open;
    bool failed_ = false;
    bool assigned_ = false;
    bool dry_ = false; ///< the last poll found nothing
};

} // namespace cobus::detail
