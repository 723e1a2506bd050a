#pragma once

#include "../state.hpp"
#include "sequence_list.hpp"
#include "stand_in.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace cobus::degrade {

class line;

/// Where an event is that was not answered yet.
enum class place : unsigned char {
    nowhere,
    held,      ///< here, never handed on
    returned,  ///< here again: Kafka's client gave it up, and it certainly was not sent
    in_client, ///< with Kafka's client
    in_memory, ///< with the memory transport
    parted,    ///< with Kafka's client, and its publisher was told that it may be sent
};

/// An event on its way through `failover`, as the inner transports see it.
struct carried final : stand_in {
    void* owner = nullptr;
    line* of = nullptr;
    std::uint64_t sequence = 0; ///< ascending in the order of publishing
    place where_now = place::nowhere;
    bool free = false; ///< may go to any partition
    std::size_t bytes = 0;
    std::chrono::steady_clock::time_point until = (std::chrono::steady_clock::time_point::max)();
    std::uint32_t outage = 0; ///< that it was delivered in process in
    carried* before = nullptr;
    carried* behind = nullptr;
};

using carried_list = sequence_list<carried>;

/// What is to be done with the event that comes next.
enum class step : unsigned char { to_kafka, to_memory, hold, refuse };

/// The events of one topic and policy in the order of publishing; those of a partition whose gate
/// closed have one of their own. It decides which way each may take without overtaking an older
/// one, and does nothing else; whoever uses it locks.
class line {
public:
    explicit line(policy when_away, topic_partition where = {})
        : when_away_(when_away), where_(where) {}

    /// The way of an event that is published now.
    [[nodiscard]] auto way_of_new(state at) const noexcept -> step {
        const step free = way(place::held, 0, at, when_away_);
        return (waiting_.empty() && !sending_) || free == step::refuse ? free : step::hold;
    }
    /// The way of the oldest that waits; there is one. When `stopping`, nobody reads from memory
    /// any more, so only Kafka is left.
    [[nodiscard]] auto way_of_oldest(state at, bool stopping) const noexcept -> step {
        const bool kafka_only = stopping && when_away_ == policy::deliver;
        return way(waiting_.front()->where_now, waiting_.front()->sequence, at,
                   kafka_only ? policy::wait : when_away_);
    }

    /// A new one takes its place, by its sequence.
    void enter(carried& item, place where) noexcept { put(item, where); }
    /// One that is known goes elsewhere.
    void move(carried& item, place where) noexcept {
        leave(item);
        put(item, where);
    }
    void leave(carried& item) noexcept {
        switch (item.where_now) {
        case place::held:
        case place::returned:
            waiting_.erase(item);
            break;
        case place::in_client:
            in_client_.erase(item);
            break;
        case place::in_memory:
            --in_memory_;
            break;
        case place::nowhere:
        case place::parted:
            break;
        }
    }
    /// One of another line belongs here, which is younger than all that do.
    void take_over(carried& item, line& from) noexcept {
        from.leave(item);
        put(item, item.where_now);
        item.of = this;
        unheard_below_ = (std::max)(unheard_below_, from.unheard_below_);
    }
    /// What Kafka's client has of another line belongs here.
    void join(line& other) noexcept {
        for (carried* each = other.in_client_.front(); each != nullptr; each = each->behind) {
            each->of = this;
        }
        in_client_.merge(other.in_client_);
    }

    /// While one that waited is handed on, which takes a while, newer ones must not pass it.
    void sending(bool now) noexcept { sending_ = now; }

    [[nodiscard]] auto when_away() const noexcept -> policy { return when_away_; }

    // Kafka, or its part, was away, and its client may hear late of what it had meanwhile.

    /// It is heard of again: whatever was published before is to be answered in time all the same.
    void heard_again(std::uint64_t next) noexcept { unheard_below_ = next; }
    /// One partition of the topic is, which may be that of events that go anywhere.
    void some_heard_again(std::uint64_t next) noexcept { some_unheard_below_ = next; }
    /// Published before that.
    [[nodiscard]] auto from_outage(std::uint64_t sequence, bool anywhere) const noexcept -> bool {
        return sequence < unheard_below_ || (anywhere && sequence < some_unheard_below_);
    }
    /// Some of those are with Kafka's client, or go there.
    [[nodiscard]] auto outage_lasts() const noexcept -> bool {
        const auto some_of = [this](const carried_list& those) {
            return !those.empty() && from_outage(those.front()->sequence, true);
        };
        return some_of(in_client_) || some_of(waiting_);
    }

    /// Those that are here, oldest first.
    [[nodiscard]] auto waiting() const noexcept -> const carried_list& { return waiting_; }
    [[nodiscard]] auto in_client() const noexcept -> const carried_list& { return in_client_; }
    [[nodiscard]] auto in_memory() const noexcept -> std::size_t { return in_memory_; }
    /// Nothing is under way but what Kafka's client has.
    [[nodiscard]] auto flows() const noexcept -> bool {
        return waiting_.empty() && in_memory_ == 0 && !sending_;
    }
    /// Partition −1: all of the topic but those that have lines of their own.
    [[nodiscard]] auto where() const noexcept -> const topic_partition& { return where_; }

private:
    /// The rule that keeps the order: an event goes one way only when no older one is still on the
    /// other. Docs: degradation.md.
    [[nodiscard]] auto way(place from, std::uint64_t sequence, state at, policy how) const noexcept
        -> step {
        if (at == state::failed) {
            return step::refuse;
        }
        if (at == state::connecting) {
            return step::hold;
        }
        if (from == place::returned && how == policy::deliver) {
            const bool older = !in_client_.empty() && in_client_.front()->sequence < sequence;
            return older ? step::hold : step::to_memory;
        }
        if (at == state::connected) {
            return in_memory_ > 0 ? step::hold : step::to_kafka;
        }
        switch (how) {
        case policy::deliver:
            return in_client_.empty() ? step::to_memory : step::hold;
        case policy::wait:
            return step::hold;
        case policy::fail:
        case policy::deliver_and_spool: // have no line
        case policy::spool:
            return step::refuse;
        }
        return step::refuse;
    }

    void put(carried& item, place where) noexcept {
        item.where_now = where;
        switch (where) {
        case place::held:
            waiting_.insert(item);
            break;
        case place::returned:
            waiting_.insert_old(item);
            break;
        case place::in_client:
            in_client_.insert(item);
            break;
        case place::in_memory:
            ++in_memory_;
            break;
        case place::nowhere:
        case place::parted:
            break;
        }
    }

    carried_list waiting_;
    carried_list in_client_;
    std::size_t in_memory_ = 0;
    std::uint64_t unheard_below_ = 0;
    std::uint64_t some_unheard_below_ = 0;
    policy when_away_;
    topic_partition where_;
    bool sending_ = false;
};

} // namespace cobus::degrade
