#pragma once

#include "../../error.hpp"
#include "../../state.hpp"
#include "../transport.hpp"
#include "line_desk.hpp"
#include "line_routes.hpp"
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
          desk_(options, kafka),
          routes_(desk_, runtime, options.decision_time) {}

    void open() noexcept {
        const std::lock_guard lock(desk_.guard);
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
            const std::lock_guard lock(desk_.guard);
            if (!open_ || stop_at_) {
                node.ec = errc::closed;
                return taken::done;
            }
            degrade::line& line = desk_.line_of(node);
            way = desk_.way_of_new(line, node);
            if (way == step::hold && !may_wait && desk_.lines.full(bytes)) {
                return taken::full;
            }
            if (way != step::refuse) {
                item = &desk_.lines.take(node, bytes);
                item->owner = this;
                item->completed = &inner_completed;
                item->until = until;
                item->free = line_desk::is_free(*item);
                if (way == step::to_kafka) {
                    desk_.choose_way(*item);
                }
                desk_.lines.enter(line, *item, place_on(way));
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
            const std::lock_guard lock(desk_.guard);
            if (item->outer != &node) {
                return false; // answered meanwhile
            }
            with = inner_of(item->where_now);
            if (with == nullptr) {
                desk_.lines.give_up(*item);
            } else {
                failover_lines::pin(*item);
            }
        }
        bool mine = with == nullptr;
        message_ptr rest;
        if (with != nullptr) {
            mine = with->withdraw(*item);
            const std::lock_guard lock(desk_.guard);
            if (mine && item->where_now == place::parted) { // answered meanwhile
                rest = desk_.lines.end(*item);
                mine = false;
            } else if (mine) {
                stays_not(*item);
                desk_.lines.give_up(*item);
            }
            desk_.lines.unpin(*item);
        }
        runtime_.wake(); // those behind it may go on
        return mine;
    }

    /// From now on by that state. Returns how many events were delivered in process in the old one.
    auto gate(const health& now) -> std::uint64_t {
        std::uint64_t stayed = 0;
        {
            const std::lock_guard lock(desk_.guard);
            routes_.change(now.what, runtime_.now());
            at_.store(now.what, std::memory_order_release);
            stayed = std::exchange(stayed_, 0); // those under way included
            ++outage_;
        }
        {
            const std::lock_guard lock(health_guard_);
            health_ = now;
        }
        if (now.what == state::degraded || now.what == state::failed) {
            routes_.reclaim(kafka_);
        }
        return stayed;
    }
    /// How many events were delivered in process since it was asked last, or since the gate's last
    /// change.
    [[nodiscard]] auto take_stayed() noexcept -> std::uint64_t {
        const std::lock_guard lock(desk_.guard);
        ++outage_;
        return std::exchange(stayed_, 0);
    }
    [[nodiscard]] auto current() const -> health {
        const std::lock_guard lock(health_guard_);
        return health_;
    }

    /// The state alone.
    [[nodiscard]] auto at() const noexcept -> const std::atomic<state>& { return at_; }

    /// Takes no new ones, delivers nothing in process any more, and ends at `deadline` what waits.
    void stop(clock::time_point deadline) noexcept {
        const std::lock_guard lock(desk_.guard);
        stop_at_ = deadline;
    }

    // Of the home.

    /// Of single routes.
    [[nodiscard]] auto routes() noexcept -> line_routes& { return routes_; }

    /// Ends those that waited to their limit.
    void expire(clock::time_point now) noexcept {
        routes_.run(now);
        for (std::size_t i = 0; degrade::line* line = desk_.line_at(i); ++i) {
            while (publish_node* late = take_late(*line, now)) {
                late->ec = errc::timed_out;
                late->completed(*late);
            }
        }
    }
    /// Sends on what may go now. True: there may be more.
    [[nodiscard]] auto flush() noexcept -> bool {
        std::size_t room = batch;
        for (std::size_t i = 0; degrade::line* line = desk_.line_at(i); ++i) {
            while (flush_one(*line)) {
                if (--room == 0) {
                    return true;
                }
            }
        }
        return false;
    }
    [[nodiscard]] auto nothing_waits() noexcept -> bool {
        const std::lock_guard lock(desk_.guard);
        return desk_.lines.waiting() == 0;
    }
    /// When `expire` has something to do.
    [[nodiscard]] auto due() noexcept -> clock::time_point {
        clock::time_point next = routes_.due();
        const std::lock_guard lock(desk_.guard);
        for (std::size_t i = 0; i < desk_.lines.size(); ++i) {
            if (const carried* oldest = desk_.lines.at(i).waiting().front()) {
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
            message_ptr rest;
            const std::lock_guard lock(desk_.guard);
            runtime_.wake();
            if (item.where_now == place::parted) { // answered meanwhile
                rest = desk_.lines.end(item);
                return taken::pending;
            }
            stays_not(item);
            desk_.lines.give_up(item);
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
        message_ptr rest;
        bool others_wait = false;
        {
            const std::lock_guard lock(desk_.guard);
            const degrade::line& line = *item.of;
            others_wait = desk_.doors.any();
            if (others_wait && !item.ec && item.where_now != place::in_memory) {
                desk_.acknowledged(item);
            }
            if (item.where_now == place::parted) {
                rest = desk_.lines.end(item);
            } else if (goes_back(item, at_once)) {
                desk_.lines.move(item, place::returned);
            } else {
                if (item.where_now == place::in_memory && !item.ec) {
                    item.where.degraded(true);
                    item.where.way(path::memory, false);
                } else {
                    stays_not(item);
                }
                outer = &desk_.lines.give_up(item);
            }
            others_wait = others_wait || !line.waiting().empty();
        }
        if (others_wait) {
            runtime_.wake();
        }
        return outer;
    }
    [[nodiscard]] auto goes_back(const carried& item, bool at_once) const noexcept -> bool {
        const bool not_sent = item.ec == errc::timed_out || item.ec == errc::unavailable;
        if (!not_sent || item.where_now != place::in_client || item.content == nullptr ||
            stop_at_ || desk_.gate == state::failed) {
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
        node.problem = now.what == state::connected ? "its part of Kafka is away" : now.why;
    }

    // --- the home

    auto flush_one(degrade::line& line) noexcept -> bool {
        publish_node* outer = nullptr;
        carried* next = nullptr;
        step way = step::hold;
        {
            const std::lock_guard lock(desk_.guard);
            if (line.waiting().empty()) {
                return false;
            }
            way = desk_.way_of_oldest(line, stop_at_.has_value());
            if (way == step::hold) {
                return false;
            }
            next = line.waiting().front();
            outer = next->outer;
            if (way == step::refuse) {
                desk_.lines.give_up(*next);
            } else {
                if (way == step::to_kafka) {
                    desk_.choose_way(*next);
                }
                line.sending(true); // until it has arrived, nothing may take the direct way
                desk_.lines.move(*next, place_on(way));
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
        const std::lock_guard lock(desk_.guard);
        line.sending(false);
        return true;
    }

    auto take_late(degrade::line& line, clock::time_point now) noexcept -> publish_node* {
        const std::lock_guard lock(desk_.guard);
        carried* oldest = line.waiting().front();
        if (oldest == nullptr || (oldest->until > now && !(stop_at_ && *stop_at_ <= now))) {
            return nullptr;
        }
        return &desk_.lines.give_up(*oldest);
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

    line_desk desk_;
    line_routes routes_;
    std::atomic<state> at_{state::connecting}; ///< the same, for others
    std::uint64_t stayed_ = 0;                 ///< in process, in the state that is
    std::uint32_t outage_ = 0;                 ///< counts the states
    bool open_ = false;
    std::optional<clock::time_point> stop_at_;

    mutable std::mutex health_guard_;
    health health_;
};

} // namespace cobus::detail
