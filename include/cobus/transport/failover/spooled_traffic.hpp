#pragma once

#include "../../detail/encode_node.hpp"
#include "../../error.hpp"
#include "../../log.hpp"
#include "../transport.hpp"
#include "commit_barrier.hpp"
#include "runtime.hpp"
#include "spool_desk.hpp"
#include "spool_filing.hpp"
#include "spool_passing.hpp"
#include "spool_replay.hpp"
#include "spool_routes.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Carries the events of spooling policies: to Kafka while it answers; else into the spool, to
/// handlers of this process where that keeps the order, and to Kafka when it is back.
///
/// One lock guards the spool and the gate together, and is never held while somebody else is
/// called: so a gate closes between two publishes, and completions may come from within Kafka's
/// calls. What was kept is sent by the home, so one at a time.
class spooled_traffic final : public spool_view {
public:
    using clock = std::chrono::steady_clock;

    spooled_traffic(const transport_options& options, failover_runtime& runtime, transport& kafka,
                    transport& memory)
        : kafka_(kafka),
          desk_(options, runtime, kafka, memory),
          routes_(desk_, options.decision_time / 3),
          replay_(desk_, kafka),
          filing_(desk_),
          encodes_(kafka.wants_bytes()) {}

    void open() noexcept {
        const std::lock_guard lock(desk_.guard);
        desk_.is_open = true;
    }

    /// As `transport::publish`.
    [[nodiscard]] auto publish(publish_node& node, bool may_wait) -> taken {
        if (encodes_ && !encode_node(node)) {
            return taken::done;
        }
        {
            std::unique_lock lock(desk_.guard);
            if (!desk_.is_open || desk_.stop_at) {
                node.ec = errc::closed;
                return taken::done;
            }
            if (desk_.gate.what == state::failed) {
                node.ec = desk_.gate.cause;
                node.problem = desk_.gate.why;
                return taken::done;
            }
            const bool usual = desk_.gate.what == state::connected && desk_.spool.waiting() == 0 &&
                               !desk_.doors.any();
            if (!usual) {
                const std::uint64_t lane = degrade::lane_of(node.content->interned_topic(),
                                                            node.content->key(), node.partition);
                if (!may_pass(node, lane)) {
                    return keep(node, lane, may_wait, std::move(lock));
                }
            }
            passing_.begin(node);
        }
        return passed(node, kafka_.publish(node, may_wait));
    }

    /// As `transport::withdraw`.
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool {
        if (!passing_.has(node)) {
            return withdraw_row(node);
        }
        if (!kafka_.withdraw(node)) {
            return false;
        }
        const spool_passing::next then = passing_.not_taken(node);
        if (then == spool_passing::next::release) {
            node.completed(node); // what was kept meanwhile stays
        }
        return then == spool_passing::next::tell;
    }

    /// From now on by that state. Of the home, as what follows.
    void gate(const health& now) noexcept {
        {
            const std::lock_guard lock(desk_.guard);
            desk_.gate = now;
            if (now.what != state::degraded) {
                desk_.local.clear(); // what was not handed over comes from Kafka
            }
        }
        if (now.what == state::degraded) {
            while (keep_passing()) {
            }
            answer_waiting();
        } else if (now.what == state::failed) {
            refuse_waiting();
        }
        desk_.runtime.wake();
    }

    /// Hands on what may go now. True: there may be more.
    [[nodiscard]] auto run(clock::time_point now) noexcept -> bool {
        end_waiting(now);
        filing_.run(now);
        tell_refused();
        drop_old(now);
        tell_watchers();
        const bool more = desk_.local.run(desk_.delivers());
        return replay_.run(now) || more;
    }
    /// When `run` has something to do without being woken.
    [[nodiscard]] auto due() noexcept -> clock::time_point {
        const std::lock_guard lock(desk_.guard);
        clock::time_point next = (clock::time_point::max)();
        if (desk_.spool.waiting() > 0) {
            next = desk_.options.spool.max_age.count() > 0 ? look_for_old_ : next;
            next = (std::min)(next, desk_.pause.value_or(next));
            next = (std::min)(next, desk_.stop_at.value_or(next));
        }
        if (const kept* blocked = desk_.spool.first_blocked()) {
            next = (std::min)(next, blocked->until);
        }
        return (std::min)(next, desk_.writer.due());
    }

    /// What an earlier process left in the file goes first. Before anything else of the home.
    void restore(std::unique_ptr<degrade::spool_file> file, std::uint64_t next,
                 std::vector<degrade::spool_row> rows) {
        const std::lock_guard lock(desk_.guard);
        desk_.spool.shift(next);
        for (auto each = rows.rbegin(); each != rows.rend(); ++each) {
            desk_.restore(*each); // each before those that are there, so nothing is searched
        }
        desk_.writer.use(std::move(file), [time = &desk_.runtime] { time->wake(); });
    }
    /// The file knows all that it is to know.
    [[nodiscard]] auto written() noexcept -> bool {
        const std::lock_guard lock(desk_.guard);
        const bool more = desk_.options.spool.at_stop && desk_.stop_at && !desk_.saved;
        return !desk_.writer.active() || (desk_.writer.idle() && !more);
    }

    /// Of single routes.
    [[nodiscard]] auto routes() noexcept -> spool_routes& { return routes_; }

    /// Takes no new ones. What is kept may still go to Kafka.
    void stop(clock::time_point deadline) noexcept {
        const std::lock_guard lock(desk_.guard);
        desk_.stop_at = deadline;
        desk_.local.clear();
    }
    [[nodiscard]] auto nothing_waits() noexcept -> bool {
        const std::lock_guard lock(desk_.guard);
        const bool durable = desk_.all_stored() && desk_.spool.rows() == desk_.spool.answered();
        return desk_.spool.rows() == 0 || durable;
    }

    // Of any thread.

    [[nodiscard]] auto summary() noexcept -> spooled {
        const std::lock_guard lock(desk_.guard);
        spooled now;
        now.messages = desk_.spool.rows();
        now.bytes = desk_.spool.bytes();
        now.refused = desk_.refused;
        now.dropped = desk_.dropped;
        now.durable = desk_.all_stored();
        now.why = desk_.file_why;
        if (const kept* oldest = desk_.spool.oldest(); oldest != nullptr) {
            now.oldest = oldest->since;
        }
        return now;
    }
    /// Somebody was told that his event is kept, and Kafka does not have it yet.
    [[nodiscard]] auto recovering() noexcept -> bool {
        const std::lock_guard lock(desk_.guard);
        return desk_.spool.answered() > 0;
    }

    // Of the streams.

    void handled(const topic_partition& where, std::int64_t below) noexcept override try {
        const std::lock_guard lock(desk_.guard);
        desk_.marks.at(where.topic).handled(where.partition, below);
    } catch (...) { // no memory: its events are not handled in process
    }
    [[nodiscard]] auto tail() noexcept -> std::uint64_t override {
        const std::lock_guard lock(desk_.guard);
        return desk_.spool.rows() > 0 ? desk_.spool.next_sequence() : 0;
    }
    [[nodiscard]] auto safe_below() noexcept -> std::uint64_t override {
        const std::lock_guard lock(desk_.guard);
        const bool in_file = desk_.writer.active() && !desk_.options.spool.at_stop;
        return in_file ? desk_.writer.safe_below() : desk_.spool.low();
    }
    void watch(waker& who) override {
        const std::lock_guard lock(watch_guard_);
        watching_.push_back(&who);
    }
    void unwatch(waker& who) noexcept override {
        const std::lock_guard lock(watch_guard_);
        std::erase(watching_, &who);
    }

private:
    using kept = degrade::kept;
    using kept_at = degrade::kept_at;

    // --- to the spool, or to Kafka's client and back

    auto keep(publish_node& node, std::uint64_t lane, bool may_wait,
              std::unique_lock<spin_lock> locked) -> taken {
        std::vector<degrade::remains> dropped; // destroyed without the lock
        const std::unique_lock lock(std::move(locked));
        return desk_.keep(node, lane, may_wait, dropped);
    }
    /// Whether it goes straight to Kafka's client, to a partition that is not away.
    [[nodiscard]] auto may_pass(publish_node& node, std::uint64_t lane) noexcept -> bool {
        return desk_.gate.what == state::connected && desk_.spool.may_pass(lane) &&
               desk_.doors.finds_way(node, lane);
    }
    /// What Kafka's client did with a node.
    [[nodiscard]] auto passed(publish_node& node, taken how) noexcept -> taken {
        if (how == taken::pending) {
            return how;
        }
        const spool_passing::next then =
            how == taken::done ? passing_.ended(node, true) : passing_.not_taken(node);
        if (then == spool_passing::next::release) {
            node.completed(node);
        }
        return then == spool_passing::next::tell ? how : taken::pending;
    }
    [[nodiscard]] auto withdraw_row(publish_node& node) noexcept -> bool {
        kept* const item = degrade::spool::holder(node);
        if (item == nullptr) {
            return false;
        }
        {
            const std::lock_guard lock(desk_.guard);
            if (item->outer != &node || item->put || item->lent != nullptr) {
                return false; // answered meanwhile, or about to be
            }
            if (item->where_now == kept_at::pending || item->where_now == kept_at::parked) {
                desk_.spool.give_back(*item);
                return true;
            }
            desk_.spool.pin(*item);
        }
        const bool mine = kafka_.withdraw(*item);
        const std::lock_guard lock(desk_.guard);
        const bool answered = item->outer != &node || item->put; // the gate closed meanwhile
        if (mine && answered) {
            item->given = false;
            desk_.spool.back(*item);
        } else if (mine) {
            desk_.spool.give_back(*item);
        }
        desk_.spool.unpin(*item);
        return mine && !answered;
    }

    // --- the home

    /// Gives up what waited too long, if there is such a limit; once a second.
    void drop_old(clock::time_point now) noexcept try {
        const std::chrono::milliseconds limit = desk_.options.spool.max_age;
        if (limit.count() == 0 || now < look_for_old_) {
            return;
        }
        look_for_old_ = now + std::chrono::seconds(1);
        std::vector<degrade::remains> rest;
        const std::lock_guard lock(desk_.guard);
        rest = desk_.drop_old(desk_.options.wall() - limit);
    } catch (...) { // no memory: at the next run
    }
    void tell_refused() noexcept try {
        desk_.refusals.tell();
    } catch (...) { // the user's function: it must not throw
    }
    /// Rows went since the last time: a commit may have waited for them.
    void tell_watchers() noexcept {
        const std::uint64_t low = safe_below();
        if (std::exchange(told_low_, low) != low) {
            const std::lock_guard lock(watch_guard_);
            for (waker* each : watching_) {
                each->wake();
            }
        }
    }
    /// Turns the oldest that passes through to Kafka's client into a row. False: there is none.
    auto keep_passing() noexcept -> bool {
        const std::lock_guard lock(desk_.guard);
        publish_node* const node = desk_.spool.first_passing();
        if (node == nullptr) {
            return false;
        }
        try {
            passing_.keep(*node);
            return true;
        } catch (...) { // no memory: its publisher waits for Kafka
            return !degrade::spool::passes(*node);
        }
    }
    /// Those that came before it was decided whether Kafka is there: `what(item)` says who is told.
    template <class What> void each_unanswered(What what) noexcept {
        std::vector<publish_node*> told;
        try {
            const std::lock_guard lock(desk_.guard);
            told.reserve(desk_.spool.rows() - desk_.spool.answered());
            for (kept* each = desk_.spool.next(); each != nullptr && told.capacity() > 0;) {
                kept* const behind = each->behind;
                publish_node* const outer =
                    each->outer != nullptr && !each->put ? what(*each) : nullptr;
                if (outer != nullptr) {
                    told.push_back(outer);
                }
                each = behind;
            }
        } catch (...) { // no memory: some are left for the next time
        }
        for (publish_node* each : told) {
            each->completed(*each);
        }
    }
    void answer_waiting() noexcept {
        each_unanswered([this](kept& item) { return desk_.taken_in(item); });
    }
    void refuse_waiting() noexcept {
        each_unanswered([this](kept& item) {
            item.ec = desk_.gate.cause;
            item.problem = desk_.gate.why;
            return &desk_.spool.give_back(item);
        });
    }
    /// At the end of a stop.
    void end_waiting(clock::time_point now) noexcept {
        if (stop_is_over(now)) {
            each_unanswered([this](kept& item) {
                item.ec = errc::timed_out;
                return &desk_.spool.give_back(item);
            });
        }
    }
    [[nodiscard]] auto stop_is_over(clock::time_point now) noexcept -> bool {
        const std::lock_guard lock(desk_.guard);
        return desk_.stop_at && *desk_.stop_at <= now;
    }

    transport& kafka_;
    spool_desk desk_;
    spool_passing passing_{desk_};
    spool_routes routes_;
    spool_replay replay_;
    spool_filing filing_;
    bool encodes_;
    clock::time_point look_for_old_{};
    std::uint64_t told_low_ = 0;
    std::mutex watch_guard_;
    std::vector<waker*> watching_;
};

} // namespace cobus::detail
