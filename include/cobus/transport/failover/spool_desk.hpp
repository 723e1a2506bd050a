#pragma once

#include "../../degrade/spool.hpp"
#include "../../degrade/spool_writer.hpp"
#include "../../degrade/topic_marks.hpp"
#include "../../detail/spin_lock.hpp"
#include "../../error.hpp"
#include "../../log.hpp"
#include "../transport.hpp"
#include "closed_doors.hpp"
#include "local_deliveries.hpp"
#include "refused_events.hpp"
#include "runtime.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail {

/// The spool with its lock and its gate, and what is decided under that lock: which way an event
/// takes, and what becomes of one that Kafka's client is through with.
///
/// The lock is never held while a transport is called: so a gate closes between two publishes, and
/// completions may come from within Kafka's calls.
class spool_desk {
public:
    using clock = std::chrono::steady_clock;
    using kept = degrade::kept;
    using kept_at = degrade::kept_at;
    static constexpr std::chrono::seconds pause_time{1};

    spool_desk(const transport_options& with, failover_runtime& time, const transport& to_kafka,
               transport& memory)
        : options(with),
          runtime(time),
          spool(with.spool.messages, with.spool.bytes),
          local(memory, spool, guard, notes, with.spool.file != nullptr && !with.spool.at_stop),
          doors(to_kafka),
          refusals(with.on_refused) {}

    // Taking in; all of it under the lock.
    [[nodiscard]] auto take(publish_node& node, std::uint64_t lane) -> kept& {
        degrade::route_marks& of = marks.at(node.content->interned_topic());
        return own(spool.take(node, lane, degrade::size_of(*node.content)), of);
    }
    /// What passes through becomes a row, while Kafka's client has it. May throw `std::bad_alloc`,
    /// and has done nothing then.
    [[nodiscard]] auto to_row(publish_node& node) -> kept& {
        const message& event = *node.content;
        const std::int32_t asked = node.moved ? -1 : node.partition;
        const auto lane = degrade::lane_of(event.interned_topic(), event.key(), asked);
        return own(spool.to_row(node, lane, options.wall()),
                   *static_cast<degrade::topic_marks::entry*>(node.passed.by));
    }
    [[nodiscard]] auto keep(publish_node& node, std::uint64_t lane, bool may_wait,
                            std::vector<degrade::remains>& rest) -> taken {
        while (spool.full(degrade::size_of(*node.content))) {
            kept* const oldest = spool.oldest_here();
            if (options.spool.when_full == spool_full::refuse || oldest == nullptr ||
                oldest->outer != nullptr) {
                node.ec = errc::queue_full;
                return may_wait ? taken::done : taken::full;
            }
            rest.push_back(gone(*oldest));
            ++dropped;
        }
        kept& item = take(node, lane);
        try {
            spool.enter_row(item, options.wall());
        } catch (...) {
            spool.untake(item);
            throw;
        }
        runtime.wake();
        if (gate.what == state::connecting) {
            return taken::pending;
        }
        if (stores()) {
            try {
                store(item);
            } catch (...) {
                spool.give_back(item);
                throw;
            }
            return taken::pending;
        }
        (void)answer(item);
        admit(item);
        return taken::done;
    }
    /// What is kept goes to a file.
    [[nodiscard]] auto stores() const noexcept -> bool {
        return writer.active() && (!options.spool.at_stop || stop_at);
    }
    /// The file has, or does not need, everything of those that were told that it is kept.
    [[nodiscard]] auto all_stored() const noexcept -> bool {
        return stores() && writer.idle() && not_stored == 0 && (!options.spool.at_stop || saved);
    }
    /// It goes to the file; its publisher is answered when it is there.
    void store(kept& item) {
        std::vector<degrade::executor_name> settled;
        if (options.spool.at_stop && item.run != nullptr) {
            for (std::string& each : item.run->settled()) {
                settled.push_back({options.group_id, std::move(each)});
            }
        }
        writer.put(item, std::move(settled));
        item.put = true;
    }
    /// The oldest here that is older than may be. Returns what is to be destroyed without the lock.
    [[nodiscard]] auto drop_old(time_point before) -> std::vector<degrade::remains> {
        std::vector<degrade::remains> rest;
        for (kept* oldest = spool.oldest_here();
             oldest != nullptr && oldest->outer == nullptr && oldest->since < before;
             oldest = spool.oldest_here()) {
            rest.push_back(gone(*oldest));
            ++dropped;
        }
        return rest;
    }
    /// One that an earlier process left.
    void restore(degrade::spool_row& from) {
        const std::string* topic = from.content.interned_topic();
        const std::uint64_t lane = degrade::lane_of(topic, from.content.key(), from.partition);
        message_ptr content = make_message();
        *content = std::move(from.content);
        const std::size_t bytes = degrade::size_of(*content);
        kept& item = spool.restore(std::move(content), lane, from.sequence, bytes);
        item.since = from.since;
        item.partition = from.partition;
        item.when_away = from.when_away;
        own(item, marks.at(topic));
        std::vector<std::string> done;
        for (degrade::executor_name& each : from.settled) {
            if (each.group == options.group_id) {
                done.push_back(std::move(each.handler));
            }
        }
        if (!done.empty()) {
            item.run = pool_new<local_run>();
            item.run->restore(std::move(done));
        }
    }
    /// The file had its say. Returns who is to be told.
    auto stored(const degrade::spool_writer::entry& how) -> publish_node* {
        kept& item = *how.item;
        if (item.sequence != how.sequence || item.where_now == kept_at::nowhere) {
            return nullptr; // Kafka has it already
        }
        item.stored = !how.ec;
        if (item.outer == nullptr) {
            not_stored += std::uint64_t{how.ec ? 1U : 0U};
            return nullptr;
        }
        if (item.lent != nullptr) {
            item.put = !how.ec;
            answer_lent(item, how.ec ? make_error_code(errc::maybe_sent) : how.ec);
            return nullptr;
        }
        if (!how.ec) {
            publish_node& outer = answer(item);
            if (item.where_now == kept_at::pending || item.where_now == kept_at::parked) {
                admit(item);
            }
            return &outer;
        }
        item.put = false;
        if (!item.given) {
            item.ec = how.ec;
            item.problem = how.problem;
            return &spool.give_back(item);
        }
        publish_node& outer = answer(item); // Kafka may get it yet
        outer.ec = errc::maybe_sent;
        outer.problem = how.problem;
        return &outer;
    }
    /// Whether handlers of this process get it now; if not, they get no younger one of its key.
    void admit(kept& item) noexcept {
        try {
            const bool all_away = gate.what == state::degraded;
            if ((all_away || (gate.what == state::connected && doors.away(item))) &&
                item.when_away == policy::deliver_and_spool && !item.given && !stop_at &&
                keeps_order(item, all_away)) {
                local.add(item);
                return;
            }
        } catch (...) { // no memory: Kafka brings it
        }
        spool.unclean(item);
    }
    /// It is kept: its publisher need not wait.
    [[nodiscard]] auto answer(kept& item) noexcept -> publish_node& {
        publish_node& node = spool.part(item);
        node.ec.clear();
        node.where = item.kept_receipt();
        return node;
    }
    /// The same while Kafka's client has the publisher's node. Without memory for it, the publisher
    /// waits for Kafka.
    void answer_lent(kept& item, std::error_code ec = {}) noexcept {
        publish_node& node = *item.lent;
        if (node.answered != nullptr && node.answered(node, {item.kept_receipt(), ec})) {
            spool.part_lent(item);
        }
    }

    /// Kafka has it, or nobody wants it any more. What is left is to be destroyed without the lock.
    [[nodiscard]] auto gone(kept& item) noexcept -> degrade::remains {
        const bool put = item.put;
        const std::uint64_t sequence = item.sequence;
        degrade::remains rest = spool.gone(item);
        return put ? told_of_end(sequence, std::move(rest), {}) : std::move(rest);
    }

    // What Kafka's client says.

    /// It is through with a row. Returns who is to be told.
    auto settle(kept& item, bool at_once) noexcept -> publish_node* {
        degrade::remains rest;
        publish_node* outer = nullptr;
        std::string refusal;
        const std::error_code why = item.ec;
        std::optional<message> copied = refusals.copy_of(item.content, why); // the client's no more
        {
            const std::lock_guard lock(guard);
            if (!item.ec) {
                acknowledged(item, *item.of);
            }
            if (goes_back(item, item.outer != nullptr)) {
                outer = put_back(item, at_once);
            } else if (item.outer != nullptr && !item.put) {
                outer = &spool.give_back(item);
            } else {
                outer = item.outer != nullptr ? &ended(item) : nullptr;
                const bool refused_now = item.ec && outer == nullptr;
                rest = refused_now ? refuse(item, refusal) : gone(item);
                tell_refused(refused_now ? std::move(copied) : std::nullopt, why);
            }
        }
        if (!refusal.empty()) {
            write_log(options.log, log_level::error, refusal);
        }
        runtime.wake();
        return outer;
    }
    void acknowledged(const publish_node& node, degrade::route_marks& of) noexcept try {
        doors.acknowledged(node);
        of.acknowledged(node.where.partition(), node.where.offset());
    } catch (...) { // no memory for a mark: nothing of the topic is handled in process
        of.unknown();
    }
    /// `waits`: its publisher was not answered yet.
    [[nodiscard]] auto goes_back(const publish_node& node, bool waits) const noexcept -> bool {
        if (!node.ec || node.content == nullptr) {
            return false;
        }
        const bool over = node.ec == errc::closed;
        if (waits &&
            (stop_at || gate.what == state::failed || node.ec == condition::fatal || over)) {
            return false; // its publisher is there to be told
        }
        return over || !(node.ec == condition::permanent);
    }

    /// Handlers of this process may get something.
    [[nodiscard]] auto delivers() noexcept -> bool {
        const std::lock_guard lock(guard);
        return gate.what == state::degraded || (gate.what == state::connected && doors.any());
    }

    /// A row whose publisher still waits stays one. Returns who is to be told.
    auto taken_in(kept& item) -> publish_node* {
        if (stores()) {
            store(item);
            return nullptr;
        }
        publish_node& outer = answer(item);
        admit(item);
        return &outer;
    }

    const transport_options& options;
    failover_runtime& runtime;
    spin_lock guard; // of all that follows
    degrade::spool spool;
    degrade::topic_marks marks{this};
    local_deliveries local;
    degrade::spool_writer writer;
    settled_notes notes; ///< has a lock of its own
    health gate;
    closed_doors doors;                     ///< while the gate is open: of some routes it is not
    std::optional<clock::time_point> pause; ///< Kafka's client refuses: nothing before
    std::optional<clock::time_point> stop_at;
    std::uint64_t refused = 0;
    std::uint64_t dropped = 0;
    std::uint64_t not_stored = 0; ///< that were told that they are kept
    std::string file_why;         ///< the file takes nothing
    bool saved = false;           ///< at the stop
    bool is_open = false;
    refused_events refusals; ///< has a lock of its own

private:
    static void client_completed(publish_node& node) noexcept {
        auto& item = static_cast<kept&>(node);
        auto* const self = static_cast<spool_desk*>(item.owner);
        if (publish_node* outer = self->settle(item, false)) {
            outer->completed(*outer);
        }
    }
    auto own(kept& item, degrade::route_marks& of) noexcept -> kept& {
        item.owner = this;
        item.of = &of;
        item.completed = &client_completed;
        return item;
    }
    /// Handled here now, it would not pass an older one of its key.
    [[nodiscard]] auto keeps_order(const kept& item, bool all_away) const noexcept -> bool {
        if (options.spool.in_process == deliver_order::eager || item.lane == 0) {
            return true;
        }
        if (!spool.clean(item.lane, !all_away && !doors.some_pass)) {
            return false;
        }
        const std::int32_t at = doors.partition(item);
        return at >= 0 ? item.of->caught_up(at) : item.of->caught_up();
    }
    auto put_back(kept& item, bool at_once) noexcept -> publish_node* {
        spool.back(item);
        if (at_once || gate.what == state::connected) {
            pause = runtime.now() + pause_time; // a client that refuses is not asked at once
        }
        if (item.outer == nullptr) {
            return nullptr;
        }
        if (!stores() || item.stored) {
            return &answer(item);
        }
        if (!item.put) {
            try {
                store(item);
            } catch (...) { // no memory: it stays as it is, and goes again
            }
        }
        return nullptr;
    }
    /// Its publisher is told by what Kafka says, while the file may still read the event.
    [[nodiscard]] auto ended(kept& item) noexcept -> publish_node& {
        publish_node& node = spool.part(item);
        node.where = std::move(item.where);
        node.ec = item.ec;
        node.problem = std::move(item.problem);
        return node;
    }
    /// Kafka will never take it. A line for the first of a run.
    [[nodiscard]] auto refuse(kept& item, std::string& line) noexcept -> degrade::remains {
        ++refused;
        const std::error_code why = item.ec;
        const bool put = item.put;
        const std::uint64_t sequence = item.sequence;
        try {
            if (std::exchange(refusal_, why) != why) {
                line = "Kafka refuses an event that was kept for it, on topic " +
                       std::string(item.content->topic()) + ": " + why.message();
            }
        } catch (...) { // no memory for a line
        }
        degrade::remains rest = spool.gone(item);
        return put ? told_of_end(sequence, std::move(rest), why) : std::move(rest);
    }
    void tell_refused(std::optional<message> what, std::error_code why) noexcept {
        try {
            if (what) {
                refusals.add(std::move(*what), why);
            }
        } catch (...) { // no memory to tell
        }
    }
    [[nodiscard]] auto told_of_end(std::uint64_t sequence, degrade::remains rest,
                                   std::error_code why) noexcept -> degrade::remains {
        try {
            why ? writer.refused(sequence, why.message(), options.wall()) : writer.gone(sequence);
            writer.bury(std::move(rest));
            return {};
        } catch (...) { // no memory: the next process sends it again
            return rest;
        }
    }

    std::error_code refusal_; ///< of the last one, to say each cause once
};

} // namespace cobus::detail
