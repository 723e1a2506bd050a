#pragma once

#include "held_keys.hpp"
#include "kept.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <utility>

namespace cobus::degrade {

/// The events of spooling policies that Kafka has not acknowledged, in the order of publishing:
/// those that only pass through to Kafka's client, as their publishers' own nodes, and the rows
/// that are kept. Decides which may go when, and does nothing else; whoever uses it locks.
///
/// docs/degradation.md has the rules: what Kafka's client holds is the oldest of each key, what is
/// here the rest, and an event goes to the client only when nothing older of its key is here.
class spool {
public:
    spool(std::size_t messages, std::size_t bytes) : max_messages_(messages), max_bytes_(bytes) {}

    /// Whether one more would be too much, what Kafka's client holds included.
    [[nodiscard]] auto full(std::size_t bytes) const noexcept -> bool {
        return all() >= max_messages_ || bytes_ + bytes > max_bytes_;
    }

    // Events come.

    /// An item with the publisher's message. The caller sets what is its own.
    [[nodiscard]] auto take(publish_node& node, std::uint64_t lane, std::size_t bytes) -> kept& {
        kept& item = fresh();
        item.stand_for(node);
        item.lane = lane;
        item.size = bytes;
        return item;
    }
    /// As `stand_in::of`, of a row.
    [[nodiscard]] static auto holder(publish_node& node) noexcept -> kept* {
        return static_cast<kept*>(reinterpret_cast<stand_in*>(
            std::atomic_ref(node.passed.stand_in).load(std::memory_order_acquire)));
    }

    /// It did not enter: the publisher has its message again.
    void untake(kept& item) noexcept {
        item.outer->content = std::move(item.content);
        (void)item.let_go();
        recycle(item);
    }
    /// It goes straight to Kafka's client, and is no row: its publisher waits for the answer.
    void pass(publish_node& node) noexcept {
        node.passed.sequence = next_++;
        node.passed.size = size_of(*node.content);
        passing_.insert(node);
        ++all_now_;
        bytes_ += node.passed.size;
    }
    [[nodiscard]] static auto passes(const publish_node& node) noexcept -> bool {
        return node.passed.sequence != 0;
    }
    /// It is its publisher's again.
    void passed(publish_node& node) noexcept {
        passing_.erase(node);
        node.passed.sequence = 0;
        --all_now_;
        bytes_ -= node.passed.size;
    }
    /// The oldest of those, which are linked by `passed.behind`.
    [[nodiscard]] auto first_passing() const noexcept -> publish_node* { return passing_.front(); }
    /// It becomes a row, while Kafka's client has it. May throw `std::bad_alloc`, and has done
    /// nothing then.
    [[nodiscard]] auto to_row(publish_node& node, std::uint64_t lane, time_point now) -> kept& {
        kept& item = fresh(lane);
        const std::uint64_t sequence = node.passed.sequence;
        passed(node);
        item.lend(node);
        item.size = node.passed.size;
        item.sequence = sequence;
        item.since = now;
        item.given = true;
        unclean(item);
        put(item, kept_at::in_client);
        return item;
    }
    /// It stays here for now. May throw `std::bad_alloc`, and has done nothing then.
    void enter_row(kept& item, time_point now) {
        keys_.add(item.lane);
        item.since = now;
        item.sequence = next_++;
        put(item, kept_at::pending);
    }
    /// One of an earlier process, which Kafka's client may have had. May throw, and has done
    /// nothing then.
    [[nodiscard]] auto restore(message_ptr content, std::uint64_t lane, std::uint64_t sequence,
                               std::size_t bytes) -> kept& {
        kept& item = fresh(lane);
        item.size = bytes;
        item.content = std::move(content);
        item.sequence = sequence;
        item.given = item.put = item.stored = true;
        ++answered_;
        put(item, kept_at::pending, true);
        unclean(item);
        return item;
    }
    /// Those that are here come after as many others.
    void shift(std::uint64_t by) noexcept {
        for (kept* each = list(kept_at::pending).front(); each != nullptr; each = each->behind) {
            each->sequence += by;
        }
        next_ += by;
    }
    /// The publisher's node with its message and all that is known.
    auto give_back(kept& item) noexcept -> publish_node& {
        leave(item);
        publish_node& node = item.hand_back();
        recycle(item);
        return node;
    }
    /// The publisher's node, while the event stays as a row.
    [[nodiscard]] auto part(kept& item) noexcept -> publish_node& {
        item.beside = nullptr;
        ++answered_;
        return item.let_go();
    }
    /// The publisher was answered, and Kafka's client still has the node.
    void part_lent(kept& item) noexcept {
        item.outer = nullptr;
        ++answered_;
    }

    // Events go.

    /// Whether an event of that key may go straight to Kafka's client.
    [[nodiscard]] auto may_pass(std::uint64_t lane) const noexcept -> bool {
        return waiting_ == 0 || lane == 0 || keys_.may_pass(lane);
    }
    /// The oldest that may be given to Kafka's client, or that waits for handlers.
    [[nodiscard]] auto next() const noexcept -> kept* { return list(kept_at::pending).front(); }
    /// The oldest that was not given to Kafka's client, nor waits for handlers.
    [[nodiscard]] auto oldest_here() const noexcept -> kept* {
        kept* const open = next();
        kept* const parked = list(kept_at::parked).front();
        return open == nullptr || (parked != nullptr && parked->sequence < open->sequence) ? parked
                                                                                           : open;
    }
    [[nodiscard]] auto key_blocked(std::uint64_t lane) noexcept -> bool {
        return lane != 0 && keys_.at(lane).blocked > 0;
    }
    void block(kept& item) noexcept { move(item, kept_at::blocked, false); }
    /// The gate of its route is closed.
    void park(kept& item) noexcept { move(item, kept_at::parked, false); }
    /// Those of which `may(item)` says that they may be looked at again.
    template <class May> void unpark(May may) noexcept {
        for (kept* each = list(kept_at::parked).back(); each != nullptr;) {
            kept* const before = each->before;
            if (may(*each)) {
                move(*each, kept_at::pending, true);
            }
            each = before;
        }
    }
    /// All of that key may be looked at again.
    void unblock(std::uint64_t lane) noexcept {
        for (kept* each = list(kept_at::blocked).front(); each != nullptr;) {
            kept* const behind = each->behind;
            if (each->lane == lane) {
                move(*each, kept_at::pending, true);
            }
            each = behind;
        }
    }
    [[nodiscard]] auto first_blocked() const noexcept -> kept* {
        return list(kept_at::blocked).front();
    }
    /// From now on it is never handled in process, and its key waits for Kafka.
    void begin_send(kept& item) noexcept {
        item.given = true;
        item.deliver = false;
        unclean(item);
        move(item, kept_at::sending, false);
    }
    void sent(kept& item) noexcept {
        if (item.where_now == kept_at::sending) {
            move(item, kept_at::in_client, false);
        }
    }
    /// Kafka's client has it not any more, and Kafka perhaps not.
    void back(kept& item) noexcept {
        unclean(item);
        move(item, kept_at::pending, true);
        item.again();
    }
    [[nodiscard]] auto first_in_client() const noexcept -> kept* {
        return list(kept_at::in_client).front();
    }
    /// Kafka has it, or nobody wants it any more.
    [[nodiscard]] auto gone(kept& item) noexcept -> remains {
        leave(item);
        remains rest = item.take_rest();
        recycle(item);
        return rest;
    }

    // Handling in process.

    /// Nothing of its key from now on, until Kafka has all of it.
    void unclean(kept& item) noexcept { keys_.at(item.lane).unclean = true; }
    /// `none_passes`: nothing of its key passes through just now, as is known otherwise.
    [[nodiscard]] auto clean(std::uint64_t lane, bool none_passes = false) const noexcept -> bool {
        return (none_passes || passing_.empty()) && keys_.clean(lane);
    }

    static void pin(kept& item) noexcept { ++item.pins; }
    void unpin(kept& item) noexcept {
        if (--item.pins == 0 && item.where_now == kept_at::nowhere) {
            recycle(item);
        }
    }

    // What is here.

    [[nodiscard]] auto rows() const noexcept -> std::size_t { return all() - passing_.size(); }
    [[nodiscard]] auto all() const noexcept -> std::size_t { return all_now_; }
    /// Rows whose publishers were told that they are kept.
    [[nodiscard]] auto answered() const noexcept -> std::size_t { return answered_; }
    [[nodiscard]] auto waiting() const noexcept -> std::size_t { return waiting_; }
    [[nodiscard]] auto in_client() const noexcept -> std::size_t {
        return list(kept_at::in_client).size();
    }
    [[nodiscard]] auto bytes() const noexcept -> std::size_t { return row_bytes_; }
    /// The oldest row, or null.
    [[nodiscard]] auto oldest() const noexcept -> const kept* {
        const kept* first = nullptr;
        for (const kept_at each : {kept_at::pending, kept_at::blocked, kept_at::parked,
                                   kept_at::in_client, kept_at::sending}) {
            const kept* front = list(each).front();
            if (front != nullptr && (first == nullptr || front->sequence < first->sequence)) {
                first = front;
            }
        }
        return first;
    }
    /// `what(item)` for each row.
    template <class What> void each_row(What what) {
        for (const kept_at which : {kept_at::in_client, kept_at::sending, kept_at::pending,
                                    kept_at::blocked, kept_at::parked}) {
            for (kept* each = list(which).front(); each != nullptr; each = each->behind) {
                what(*each);
            }
        }
    }
    /// Above the sequences of all that came.
    [[nodiscard]] auto next_sequence() const noexcept -> std::uint64_t { return next_; }
    /// Below it no row is left.
    [[nodiscard]] auto low() const noexcept -> std::uint64_t {
        const kept* const first = oldest();
        return first != nullptr ? first->sequence : next_;
    }

private:
    [[nodiscard]] auto list(kept_at which) noexcept -> kept_list& {
        return lists_[static_cast<std::size_t>(which)];
    }
    [[nodiscard]] auto list(kept_at which) const noexcept -> const kept_list& {
        return lists_[static_cast<std::size_t>(which)];
    }
    [[nodiscard]] static auto waits(kept_at where) noexcept -> bool {
        return where == kept_at::pending || where == kept_at::blocked || where == kept_at::parked ||
               where == kept_at::sending;
    }

    void put(kept& item, kept_at where, bool old = false) noexcept {
        item.where_now = where;
        old ? list(where).insert_old(item) : list(where).insert(item);
        ++all_now_;
        bytes_ += item.size;
        row_bytes_ += item.size;
        count(item, where, true);
    }
    void leave_list(kept& item) noexcept {
        const kept_at where = item.where_now;
        list(where).erase(item);
        --all_now_;
        bytes_ -= item.size;
        row_bytes_ -= item.size;
        count(item, where, false);
    }
    void count(const kept& item, kept_at where, bool more) noexcept {
        if (!waits(where)) {
            return;
        }
        more ? ++waiting_ : --waiting_;
        held_keys::entry& key = keys_.at(item.lane);
        more ? ++key.waiting : --key.waiting;
        if (where == kept_at::blocked) {
            more ? ++key.blocked : --key.blocked;
        }
    }
    void move(kept& item, kept_at where, bool old) noexcept {
        leave_list(item);
        put(item, where, old);
    }
    void leave(kept& item) noexcept {
        leave_list(item);
        item.where_now = kept_at::nowhere;
        keys_.remove(item.lane);
        answered_ -= item.outer == nullptr ? 1 : 0;
    }

    [[nodiscard]] auto fresh() -> kept& {
        if (free_ == nullptr) {
            free_ = &items_.emplace_back();
        }
        kept& item = *std::exchange(free_, free_->behind);
        item.behind = nullptr;
        return item;
    }
    /// One of a lane that counts it.
    [[nodiscard]] auto fresh(std::uint64_t lane) -> kept& {
        kept& item = fresh();
        try {
            keys_.add(lane);
        } catch (...) {
            recycle(item);
            throw;
        }
        item.lane = lane;
        return item;
    }
    void recycle(kept& item) noexcept {
        if (item.pins > 0) {
            return;
        }
        item.forget();
        item.since = {};
        item.before = nullptr;
        item.given = item.deliver = item.put = item.stored = false;
        item.behind = std::exchange(free_, &item);
    }

    std::size_t max_messages_;
    std::size_t max_bytes_;
    std::size_t all_now_ = 0;
    std::size_t bytes_ = 0;
    std::size_t row_bytes_ = 0;
    std::size_t waiting_ = 0;
    std::size_t answered_ = 0;
    std::uint64_t next_ = 1;
    held_keys keys_;
    passing_list passing_;
    kept_list lists_[static_cast<std::size_t>(kept_at::in_client) + 1];
    std::deque<kept> items_;
    kept* free_ = nullptr;
};

} // namespace cobus::degrade
