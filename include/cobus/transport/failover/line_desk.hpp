#pragma once

#include "../../degrade/route_set.hpp"
#include "../../detail/spin_lock.hpp"
#include "../../error.hpp"
#include "../../state.hpp"
#include "../transport.hpp"
#include "closed_doors.hpp"
#include "lines.hpp"

#include <chrono>
#include <cstddef>
#include <mutex>

namespace cobus::detail {

/// The lines with their lock and their gates, and what is decided under that lock: which way an
/// event takes, and what becomes of one whose publisher does not wait for Kafka's client any more.
///
/// The lock is never held while a transport is called: so a gate closes between two publishes, and
/// completions may come from within Kafka's calls.
class line_desk {
public:
    using clock = std::chrono::steady_clock;
    using carried = degrade::carried;
    using line = degrade::line;
    using place = degrade::place;
    using step = degrade::step;

    line_desk(const transport_options& options, const transport& kafka)
        : lines(options.queue_messages, options.queue_bytes), doors(kafka) {}

    /// All of them, one by one; null: that was the last. Takes the lock, as nothing else here does.
    [[nodiscard]] auto line_at(std::size_t index) noexcept -> line* {
        const std::lock_guard lock(guard);
        return index < lines.size() ? &lines.at(index) : nullptr;
    }
    /// Where its topic, or its partition, stands.
    [[nodiscard]] auto line_of(const publish_node& node) -> line& {
        const std::string* topic = node.content->interned_topic();
        if (!apart.empty()) {
            const topic_partition where{topic, doors.partition(node)};
            if (where.partition >= 0 && apart.contains(where)) {
                return lines.find(where, node.when_away);
            }
        }
        return lines.find({topic, -1}, node.when_away);
    }
    [[nodiscard]] static auto is_free(const publish_node& node) noexcept -> bool {
        return node.partition < 0 && !node.content->key();
    }
    /// The way of an event that is published now.
    [[nodiscard]] auto way_of_new(const line& its, const publish_node& node) const -> step {
        return checked(its, its.way_of_new(state_of(its, node, is_free(node))));
    }
    /// The way of the oldest that waits in a line.
    [[nodiscard]] auto way_of_oldest(const line& its, bool stopping) const -> step {
        const carried& oldest = *its.waiting().front();
        return checked(its, its.way_of_oldest(state_of(its, oldest, oldest.free), stopping));
    }
    /// It goes to Kafka: to a partition that is not away.
    void choose_way(carried& item) noexcept {
        if (doors.any() && item.free) {
            (void)doors.finds_way(item, 0);
        }
    }
    /// Kafka does not answer at all.
    [[nodiscard]] auto all_away() const noexcept -> bool {
        return gate == state::degraded || gate == state::failed;
    }
    /// Kafka did not answer there since it was published, as far as is known.
    [[nodiscard]] auto away(const carried& item) const noexcept -> bool {
        return all_away() || item.of->from_outage(item.sequence, doors.partition(item) < 0) ||
               (gate == state::connected && doors.away(item));
    }
    /// From now on by that state.
    void change(state to) noexcept {
        const bool was_away = all_away();
        gate = to;
        for (std::size_t i = 0; was_away && !all_away() && i < lines.size(); ++i) {
            lines.at(i).heard_again(lines.next_sequence());
        }
    }
    /// A route, or a topic, is heard of again.
    void heard_again(const topic_partition& where) noexcept {
        for (std::size_t i = 0; i < lines.size(); ++i) {
            line& each = lines.at(i);
            if (each.where() == where) {
                each.heard_again(lines.next_sequence());
            } else if (each.where() == topic_partition{where.topic, -1}) {
                each.some_heard_again(lines.next_sequence());
            }
        }
    }

    /// Kafka answers on its route.
    void acknowledged(const carried& item) noexcept try {
        doors.acknowledged(item);
    } catch (...) { // no memory: it is asked
    }

    /// Its publisher is told that nobody knows.
    [[nodiscard]] auto part(carried& item) noexcept -> publish_node& {
        publish_node& node = lines.part(item);
        node.ec = errc::maybe_sent;
        return node;
    }

    spin_lock guard; // of all that follows
    failover_lines lines;
    state gate = state::connecting;
    closed_doors doors;       ///< while the gate is open: of some routes it is not
    degrade::route_set apart; ///< those routes that have lines of their own

private:
    [[nodiscard]] auto state_of(const line& its, const publish_node& node, bool free) const
        -> state {
        if (gate != state::connected || !doors.any()) {
            return gate;
        }
        const bool closed = its.where().partition >= 0 ? doors.closed.contains(its.where())
                                                       : doors.no_way(node, free ? 0 : 1);
        return closed ? state::degraded : gate;
    }
    /// What is known beyond the line itself.
    [[nodiscard]] auto checked(const line& its, step way) const -> step {
        if (way == step::to_kafka && its.where().partition >= 0) {
            const line* whole = lines.look({its.where().topic, -1}, its.when_away());
            return whole != nullptr && whole->in_memory() > 0 ? step::hold : way;
        }
        return way;
    }
};

} // namespace cobus::detail
