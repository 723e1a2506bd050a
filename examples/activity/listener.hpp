#pragma once

#include "activity_event.hpp"
#include "tally.hpp"
#include "window.hpp"

#include <cobus/bus.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace activity {

/// Handles the events that this process publishes: one handler counts them, another one watches
/// that each user's are in order. Knows when all that were published have been handled. For one
/// thread.
class listener {
public:
    explicit listener(const cobus::net::any_io_executor& executor) : missing_(executor) {}

    void subscribe(cobus::bus& bus) {
        counting_ = bus.on<activity_event>(
            "count", [this](const activity_event& event, cobus::context& where) {
                counts_.add(event);
                match({where.partition(), where.offset()}, side::handled);
            });
        watching_ =
            bus.on<activity_event>("order", [this](const activity_event& event) { watch(event); });
    }
    /// Completes when both handlers receive.
    [[nodiscard]] auto ready() -> cobus::net::awaitable<void> {
        co_await counting_.ready();
        co_await watching_.ready();
    }

    /// Told of each event that was sent.
    void sent(const cobus::receipt& receipt) {
        match({receipt.partition(), receipt.offset()}, side::sent);
    }
    /// Completes when all that were sent have been handled, or the time is over.
    [[nodiscard]] auto all_handled(std::chrono::milliseconds longest)
        -> cobus::net::awaitable<void> {
        return missing_.at_most(0, longest);
    }
    [[nodiscard]] auto missing() const noexcept -> std::size_t { return missing_.count(); }

    [[nodiscard]] auto counts() const noexcept -> const tally& { return counts_; }
    /// Events that are older than one handled before of the same user.
    [[nodiscard]] auto out_of_order() const noexcept -> std::uint64_t { return out_of_order_; }

private:
    enum class side : unsigned char { sent, handled };
    using position = std::pair<std::int32_t, std::int64_t>;

    /// Sent and handled may come in either order; what both sides know is forgotten.
    void match(position where, side which) {
        const auto other =
            half_known_.find({which == side::sent ? side::handled : side::sent, where});
        if (other != half_known_.end()) {
            half_known_.erase(other);
            if (which == side::handled) {
                missing_.leave();
            }
            return;
        }
        half_known_.insert({which, where});
        if (which == side::sent) {
            missing_.enter();
        }
    }
    void watch(const activity_event& event) {
        auto& last = latest_[event.user_id];
        if (event.occurred_at < last) {
            ++out_of_order_;
        }
        last = std::max(last, event.occurred_at);
    }

    tally counts_;
    window missing_;
    std::set<std::pair<side, position>> half_known_;
    std::map<std::string, std::chrono::sys_time<std::chrono::milliseconds>> latest_;
    std::uint64_t out_of_order_ = 0;
    cobus::subscription counting_, watching_; // last: they end first
};

} // namespace activity
