#pragma once

#include "../../degrade/route_marks.hpp"
#include "../../degrade/spool.hpp"
#include "../../detail/spin_lock.hpp"
#include "../../error.hpp"
#include "../../log.hpp"
#include "../transport.hpp"
#include "local_deliveries.hpp"
#include "runtime.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
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

    spool_desk(const transport_options& with, failover_runtime& time, transport& memory)
        : options(with),
          runtime(time),
          spool(with.spool.messages, with.spool.bytes),
          local(memory, spool, guard) {}

    // --- taking in; all of it under the lock

    [[nodiscard]] auto take(publish_node& node, std::uint64_t lane) -> kept& {
        degrade::route_marks& of = marks[node.content->interned_topic()];
        kept& item = spool.take(node, lane, size_of(*node.content));
        item.owner = this;
        item.of = &of;
        item.completed = &client_completed;
        return item;
    }
    [[nodiscard]] auto keep(publish_node& node, std::uint64_t lane, bool may_wait,
                            std::vector<degrade::remains>& rest) -> taken {
        while (spool.full(size_of(*node.content))) {
            kept* const oldest = spool.next();
            if (options.spool.when_full == spool_full::refuse || oldest == nullptr ||
                oldest->outer != nullptr) {
                node.ec = errc::queue_full;
                return may_wait ? taken::done : taken::full;
            }
            rest.push_back(spool.gone(*oldest));
            ++dropped;
        }
        kept& item = take(node, lane);
        try {
            spool.enter_row(item);
        } catch (...) {
            spool.untake(item);
            throw;
        }
        if (gate.what == state::connecting) {
            return taken::pending;
        }
        publish_node& outer = answer(item);
        admit(item);
        runtime.wake();
        return &outer == &node ? taken::done : taken::pending;
    }
    /// Whether handlers of this process get it now; if not, they get no younger one of its key.
    void admit(kept& item) {
        const bool eager = options.spool.in_process == deliver_order::eager;
        if (gate.what == state::degraded && item.when_away == policy::deliver_and_spool &&
            !item.given && !stop_at &&
            (eager || item.lane == 0 || (spool.clean(item.lane) && item.of->caught_up()))) {
            local.add(item);
        } else {
            spool.unclean(item);
        }
    }
    /// It is kept: its publisher need not wait.
    [[nodiscard]] auto answer(kept& item) noexcept -> publish_node& {
        publish_node& node = spool.part(item);
        node.ec.clear();
        node.where.id(item.content->id());
        node.where.topic(item.content->interned_topic());
        node.where.timestamp(item.content->time());
        node.where.way(path::spool, false);
        node.where.degraded(true);
        return node;
    }

    /// Rows are answered at once but for those that came while it was undecided, which are all
    /// behind the others or the only ones.
    [[nodiscard]] auto first_unanswered() noexcept -> kept* {
        if (spool.answered() == spool.rows()) {
            return nullptr;
        }
        for (kept* each = spool.next(); each != nullptr; each = each->behind) {
            if (each->outer != nullptr) {
                return each;
            }
        }
        return nullptr;
    }

    /// Kafka's client is through with it. Returns who is to be told.
    auto settle(kept& item, bool at_once) noexcept -> publish_node* {
        degrade::remains rest;
        publish_node* outer = nullptr;
        bool look = true;
        std::string refusal;
        {
            const std::lock_guard lock(guard);
            look = item.where_now != kept_at::direct || item.ec;
            if (!item.ec) {
                acknowledged(item);
            }
            if (goes_back(item)) {
                outer = put_back(item, at_once);
            } else if (item.outer != nullptr) {
                outer = &spool.give_back(item);
            } else {
                refusal = item.ec ? refuse(item) : std::string();
                rest = spool.gone(item);
            }
        }
        if (!refusal.empty()) {
            write_log(options.log, log_level::error, refusal);
        }
        if (look) {
            runtime.wake();
        }
        return outer;
    }

    [[nodiscard]] auto gate_now() noexcept -> state {
        const std::lock_guard lock(guard);
        return gate.what;
    }

    const transport_options& options;
    failover_runtime& runtime;
    spin_lock guard; // of all that follows
    degrade::spool spool;
    std::unordered_map<const std::string*, degrade::route_marks> marks;
    local_deliveries local;
    health gate;
    std::optional<clock::time_point> pause; ///< Kafka's client refuses: nothing before
    std::optional<clock::time_point> stop_at;
    std::uint64_t refused = 0;
    std::uint64_t dropped = 0;
    bool is_open = false;

private:
    static void client_completed(publish_node& node) noexcept {
        auto& item = static_cast<kept&>(node);
        auto* const self = static_cast<spool_desk*>(item.owner);
        if (publish_node* outer = self->settle(item, false)) {
            outer->completed(*outer);
        }
    }

    static void acknowledged(kept& item) noexcept try {
        item.of->acknowledged(item.where.partition(), item.where.offset());
    } catch (...) { // no memory for a mark: nothing of the topic is handled in process
        item.of->unknown();
    }
    [[nodiscard]] auto goes_back(const kept& item) const noexcept -> bool {
        if (!item.ec || item.content == nullptr) {
            return false;
        }
        const bool closed = item.ec == errc::closed;
        if (item.outer != nullptr &&
            (stop_at || gate.what == state::failed || item.ec == condition::fatal || closed)) {
            return false; // its publisher is there to be told
        }
        return closed || !(item.ec == condition::permanent);
    }
    auto put_back(kept& item, bool at_once) noexcept -> publish_node* {
        try {
            spool.back(item);
        } catch (...) { // no memory
            return &spool.give_back(item);
        }
        if (at_once || gate.what == state::connected) {
            pause = runtime.now() + pause_time; // a client that refuses is not asked at once
        }
        return item.outer != nullptr ? &answer(item) : nullptr;
    }
    /// Kafka will never take it. A line for the first of a run.
    [[nodiscard]] auto refuse(const kept& item) noexcept -> std::string try {
        ++refused;
        if (std::exchange(refusal_, item.ec) == item.ec) {
            return {};
        }
        return "Kafka refuses an event that was kept for it, on topic " +
               std::string(item.content->topic()) + ": " + item.ec.message();
    } catch (...) {
        return {};
    }

    [[nodiscard]] static auto size_of(const message& content) noexcept -> std::size_t {
        return content.payload().size() + content.key().value_or(std::string_view()).size();
    }

    std::error_code refusal_; ///< of the last one, to say each cause once
};

} // namespace cobus::detail
