#pragma once

#include "../../detail/spin_lock.hpp"
#include "../../error.hpp"
#include "../../state.hpp"
#include "../transport.hpp"
#include "lines.hpp"
#include "runtime.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace cobus::detail {

/// Carries publishes to Kafka, to memory, or holds them, as `degrade::line` says for the state of
/// the bus. Publishers take the direct way from any thread; what was held is sent by the home.
///
/// The lock guards the lines and the gate together, and is never held while somebody else is
/// called: so a gate closes between two publishes, and wakes and completions may come from within
/// the inner transports' calls.
class failover_traffic {
public:
    using clock = std::chrono::steady_clock;

    failover_traffic(const transport_options& options, failover_runtime& runtime, transport& kafka,
                     transport& memory)
        : wait_limit_(options.wait_limit),
          runtime_(runtime),
          kafka_(kafka),
          memory_(memory),
          lines_(options.queue_messages, options.queue_bytes) {}

    void open() noexcept {
        const std::lock_guard lock(guard_);
        open_ = true;
    }

    /// As `transport::publish`.
    [[nodiscard]] auto publish(publish_node& node, bool may_wait) -> taken {
        const std::size_t bytes = degrade::size_of(*node.content);
        const bool waits = node.when_away == policy::wait;
        const auto until = waits ? runtime_.now() + wait_limit_ : (clock::time_point::max)();
        carried* item = nullptr;
        step way = step::refuse;
        {
            const std::lock_guard lock(guard_);
            if (!open_ || stop_at_) {
                node.ec = errc::closed;
                return taken::done;
            }
            degrade::line& line = lines_.find(node.content->interned_topic(), node.when_away);
            way = line.way_of_new(gate_);
            if (way == step::hold && !may_wait && lines_.full(bytes)) {
                return taken::full;
            }
            if (way != step::refuse) {
                item = &lines_.take(node, bytes);
                item->owner = this;
                item->completed = &inner_completed;
                item->until = until;
                lines_.enter(line, *item, place_on(way));
                stays(*item);
            }
        }
        if (way == step::refuse) {
            refuse(node);
            return taken::done;
        }
        if (way == step::hold) {
            if (waits) {
                runtime_.wake(); // its limit needs the alarm
            }
            return taken::pending;
        }
        return publish_directly(*item, *inner_of(place_on(way)), may_wait);
    }

    /// As `transport::withdraw`.
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool {
        carried* const item = failover_lines::holder(node);
        if (item == nullptr) {
            return false;
        }
        transport* with = nullptr;
        {
            const std::lock_guard lock(guard_);
            if (item->outer != &node) {
                return false; // answered meanwhile
            }
            with = inner_of(item->where_now);
            if (with == nullptr) {
                lines_.give_up(*item);
            } else {
                failover_lines::pin(*item);
            }
        }
        bool mine = with == nullptr;
        if (with != nullptr) {
            mine = with->withdraw(*item);
            const std::lock_guard lock(guard_);
            if (mine) {
                stays_not(*item);
                lines_.give_up(*item);
            }
            lines_.unpin(*item);
        }
        runtime_.wake(); // those behind it may go on
        return mine;
    }

    /// From now on by that state. Returns how many events were delivered in process in the old one.
    auto gate(const health& now) -> std::uint64_t {
        std::uint64_t stayed = 0;
        {
            const std::lock_guard lock(guard_);
            gate_ = now.what;
            at_.store(now.what, std::memory_order_release);
            stayed = std::exchange(stayed_, 0); // those under way included
            ++outage_;
        }
        {
            const std::lock_guard lock(health_guard_);
            health_ = now;
        }
        if (now.what == state::degraded || now.what == state::failed) {
            reclaim();
        }
        return stayed;
    }
    [[nodiscard]] auto current() const -> health {
        const std::lock_guard lock(health_guard_);
        return health_;
    }

    /// The state alone.
    [[nodiscard]] auto at() const noexcept -> const std::atomic<state>& { return at_; }

    /// Takes no new ones, delivers nothing in process any more, and ends at `deadline` what waits.
    void stop(clock::time_point deadline) noexcept {
        const std::lock_guard lock(guard_);
        stop_at_ = deadline;
    }

    // Of the home.

    /// Ends those that waited to their limit.
    void expire(clock::time_point now) noexcept {
        for (std::size_t i = 0; degrade::line* line = line_at(i); ++i) {
            while (publish_node* late = take_late(*line, now)) {
                late->ec = errc::timed_out;
                late->completed(*late);
            }
        }
    }
    /// Sends on what may go now. True: there may be more.
    [[nodiscard]] auto flush() noexcept -> bool {
        std::size_t room = batch;
        for (std::size_t i = 0; degrade::line* line = line_at(i); ++i) {
            while (flush_one(*line)) {
                if (--room == 0) {
                    return true;
                }
            }
        }
        return false;
    }
    [[nodiscard]] auto nothing_waits() noexcept -> bool {
        const std::lock_guard lock(guard_);
        return lines_.waiting() == 0;
    }
    /// When `expire` has something to do.
    [[nodiscard]] auto due() noexcept -> clock::time_point {
        const std::lock_guard lock(guard_);
        clock::time_point next = (clock::time_point::max)();
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            if (const carried* oldest = lines_.at(i).waiting().front()) {
                next = (std::min)({next, oldest->until, stop_at_.value_or(next)});
            }
        }
        return next;
    }

private:
    using carried = degrade::carried;
    using place = degrade::place;
    using step = degrade::step;
    static constexpr std::size_t batch = 256; // sent in one run, so that others get their turn

    // --- to the inner transports and back

    auto publish_directly(carried& item, transport& to, bool may_wait) noexcept -> taken {
        const taken how = to.publish(item, may_wait);
        if (how == taken::done) {
            return settle(item, true) != nullptr ? how : taken::pending;
        }
        if (how == taken::full) {
            {
                const std::lock_guard lock(guard_);
                stays_not(item);
                lines_.give_up(item);
            }
            runtime_.wake();
        }
        return how;
    }

    static void inner_completed(publish_node& node) noexcept {
        auto& item = static_cast<carried&>(node);
        auto* const self = static_cast<failover_traffic*>(item.owner);
        if (publish_node* outer = self->settle(item, false)) {
            outer->completed(*outer);
        }
    }

    /// An inner transport is through with it: back to the publisher, or, if it certainly was not
    /// sent and its policy knows another way, back into its line; then null.
    auto settle(carried& item, bool at_once) noexcept -> publish_node* {
        publish_node* outer = nullptr;
        bool others_wait = false;
        {
            const std::lock_guard lock(guard_);
            const degrade::line& line = *item.of;
            if (goes_back(item, at_once)) {
                lines_.move(item, place::returned);
            } else {
                if (item.where_now == place::in_memory && !item.ec) {
                    item.where.degraded(true);
                    item.where.way(path::memory, false);
                } else {
                    stays_not(item);
                }
                outer = &lines_.give_up(item);
            }
            others_wait = !line.waiting().empty();
        }
        if (others_wait) {
            runtime_.wake();
        }
        return outer;
    }
    [[nodiscard]] auto goes_back(const carried& item, bool at_once) const noexcept -> bool {
        const bool not_sent = item.ec == errc::timed_out || item.ec == errc::unavailable;
        if (!not_sent || item.where_now != place::in_client || item.content == nullptr ||
            stop_at_ || gate_ == state::failed) {
            return false;
        }
        // A client that refuses at once would be asked again at once, and so on.
        return item.when_away == policy::deliver || (item.when_away == policy::wait && !at_once);
    }

    /// It is delivered in process, and counted for the outage that is.
    void stays(carried& item) noexcept {
        if (item.where_now == place::in_memory) {
            ++stayed_;
            item.outage = outage_;
        }
    }
    /// Not after all. What was told already stays told.
    void stays_not(const carried& item) noexcept {
        if (item.where_now == place::in_memory && item.outage == outage_) {
            --stayed_;
        }
    }

    void refuse(publish_node& node) const noexcept {
        const health now = current();
        node.ec = now.what == state::failed ? now.cause : make_error_code(errc::unavailable);
        node.problem = now.why;
    }

    // --- the home

    auto flush_one(degrade::line& line) noexcept -> bool {
        publish_node* outer = nullptr;
        carried* next = nullptr;
        step way = step::hold;
        {
            const std::lock_guard lock(guard_);
            if (line.waiting().empty()) {
                return false;
            }
            way = line.way_of_oldest(gate_, stop_at_.has_value());
            if (way == step::hold) {
                return false;
            }
            next = line.waiting().front();
            outer = next->outer;
            if (way == step::refuse) {
                lines_.give_up(*next);
            } else {
                line.sending(true); // until it has arrived, nothing may take the direct way
                lines_.move(*next, place_on(way));
                stays(*next);
            }
        }
        if (way == step::refuse) {
            refuse(*outer);
            outer->completed(*outer);
            return true;
        }
        const taken how = publish_directly(*next, *inner_of(place_on(way)), true);
        if (how == taken::full) { // though it may wait
            outer->ec = errc::queue_full;
        }
        if (how != taken::pending) {
            outer->completed(*outer);
        }
        const std::lock_guard lock(guard_);
        line.sending(false);
        return true;
    }

    auto take_late(degrade::line& line, clock::time_point now) noexcept -> publish_node* {
        const std::lock_guard lock(guard_);
        carried* oldest = line.waiting().front();
        if (oldest == nullptr || (oldest->until > now && !(stop_at_ && *stop_at_ <= now))) {
            return nullptr;
        }
        return &lines_.give_up(*oldest);
    }

    /// Takes back what Kafka's client has not begun with, youngest first, so that it does not wait
    /// there for a timeout of its own.
    void reclaim() noexcept {
        for (std::size_t i = 0; degrade::line* line = line_at(i); ++i) {
            while (reclaim_youngest(*line)) {
            }
        }
    }
    auto reclaim_youngest(degrade::line& line) noexcept -> bool {
        carried* youngest = nullptr;
        {
            const std::lock_guard lock(guard_);
            youngest = line.in_client().back();
            if (youngest == nullptr) {
                return false;
            }
            failover_lines::pin(*youngest);
        }
        const bool mine = kafka_.withdraw(*youngest);
        const std::lock_guard lock(guard_);
        if (mine) {
            lines_.move(*youngest, place::held);
        }
        lines_.unpin(*youngest);
        return mine;
    }

    [[nodiscard]] auto line_at(std::size_t index) noexcept -> degrade::line* {
        const std::lock_guard lock(guard_);
        return index < lines_.size() ? &lines_.at(index) : nullptr;
    }
    [[nodiscard]] static auto place_on(step way) noexcept -> place {
        return way == step::to_kafka    ? place::in_client
               : way == step::to_memory ? place::in_memory
                                        : place::held;
    }
    [[nodiscard]] auto inner_of(place where) const noexcept -> transport* {
        return where == place::in_client ? &kafka_ : where == place::in_memory ? &memory_ : nullptr;
    }

    const std::chrono::milliseconds wait_limit_;
    failover_runtime& runtime_;
    transport& kafka_;
    transport& memory_;

    spin_lock guard_;
    failover_lines lines_;
    state gate_ = state::connecting;
    std::atomic<state> at_{state::connecting}; ///< the same, for others
    std::uint64_t stayed_ = 0;                 ///< in process, in the state that is
    std::uint32_t outage_ = 0;                 ///< counts the states
    bool open_ = false;
    std::optional<clock::time_point> stop_at_;

    mutable std::mutex health_guard_;
    health health_;
};

} // namespace cobus::detail
