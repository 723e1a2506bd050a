#pragma once

#include "../../degrade/ages.hpp"
#include "../../degrade/oldest_waiting.hpp"
#include "../transport.hpp"
#include "line_desk.hpp"
#include "runtime.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Closes and opens the gates of single routes for what is not kept, and answers publishers whose
/// events are with a client that does not hear from Kafka. Of the home.
class line_routes {
public:
    using clock = std::chrono::steady_clock;

    /// `limit`: so long publishers wait for a client that does not hear from Kafka.
    line_routes(line_desk& desk, failover_runtime& runtime, std::chrono::milliseconds limit)
        : desk_(desk), runtime_(runtime), limit_(limit), suspect_(limit / 3) {}

    /// Where publishers wait for Kafka's answer for a while. True: something is under way.
    auto look(clock::time_point now, std::vector<waiting_route>& waiting) -> bool {
        const std::lock_guard lock(desk_.guard);
        ages_.mark(now, desk_.lines.next_sequence());
        bool busy = false;
        for (std::size_t i = 0; i < desk_.lines.size(); ++i) {
            std::size_t room = most;
            const carried* each = desk_.lines.at(i).in_client().front();
            busy = busy || each != nullptr;
            for (; each != nullptr && room-- > 0; each = each->behind) {
                const auto age = ages_.of(each->sequence, now);
                if (age < suspect_) {
                    break;
                }
                oldest_.note({each->content->interned_topic(), desk_.doors.partition(*each)}, age,
                             each->sequence, now, waiting);
            }
        }
        oldest_.end(now);
        return busy;
    }

    /// Nothing goes there from now on, and what is there stands in lines of its own.
    void close(const topic_partition& where) noexcept try {
        const std::lock_guard lock(desk_.guard);
        const bool known = where.partition >= 0;
        std::vector<std::pair<degrade::line*, degrade::line*>> parts;
        for (std::size_t i = 0; known && i < desk_.lines.size(); ++i) {
            degrade::line& whole = desk_.lines.at(i);
            if (whole.where() == topic_partition{where.topic, -1}) {
                parts.emplace_back(&whole, &desk_.lines.find(where, whole.when_away()));
            }
        }
        desk_.doors.closed.add(where);
        if (known) {
            desk_.apart.add(where);
        }
        for (const auto& [whole, part] : parts) {
            take(*whole, whole->waiting().front(), *part);
            take(*whole, whole->in_client().front(), *part);
        }
    } catch (...) { // no memory: its publishers wait for Kafka
    }
    void open(const topic_partition& where) noexcept {
        const std::lock_guard lock(desk_.guard);
        desk_.doors.closed.remove(where);
        desk_.heard_again(where);
        outage_lasts_ = true;
        runtime_.wake();
    }
    /// The gate of all changes. Under the lock.
    void change(state to, clock::time_point now) noexcept {
        desk_.change(to);
        ages_.mark_now(now, desk_.lines.next_sequence());
        outage_lasts_ = true;
    }
    [[nodiscard]] auto answered() noexcept -> std::vector<topic_partition> {
        const std::lock_guard lock(desk_.guard);
        return std::exchange(desk_.doors.answered, {});
    }
    /// Whether publishers wait for what Kafka's client has for it.
    [[nodiscard]] auto under_way(const topic_partition& where) noexcept -> bool {
        const std::lock_guard lock(desk_.guard);
        for (std::size_t i = 0; i < desk_.lines.size(); ++i) {
            const degrade::line& each = desk_.lines.at(i);
            if (each.where() == where && !each.in_client().empty()) {
                return true;
            }
        }
        return false;
    }

    /// Tells publishers that have waited long enough for a client that does not hear from Kafka.
    void run(clock::time_point now) noexcept {
        try {
            rejoin();
        } catch (...) { // no memory: at the next run
        }
        while (part_some(now)) {
        }
    }
    /// Takes back what Kafka's client has not begun with, youngest first, so that it does not wait
    /// there for a timeout of its own.
    void reclaim(transport& kafka) noexcept {
        for (std::size_t i = 0; degrade::line* line = desk_.line_at(i); ++i) {
            while (reclaim_youngest(*line, kafka)) {
            }
        }
    }
    /// When `run` has something to do if nobody looks.
    [[nodiscard]] auto due() noexcept -> clock::time_point {
        const std::lock_guard lock(desk_.guard);
        clock::time_point next = (clock::time_point::max)();
        for (std::size_t i = 0; outage() && i < desk_.lines.size(); ++i) {
            const degrade::line& each = desk_.lines.at(i);
            const carried* const oldest = ends(each) ? each.in_client().front() : nullptr;
            if (oldest != nullptr && desk_.away(*oldest)) {
                next =
                    (std::min)(next, ages_.by(oldest->sequence).value_or(next - limit_) + limit_);
            }
        }
        return next;
    }

private:
    using carried = degrade::carried;
    static constexpr std::size_t most = 1000; // looked at under the lock
    static constexpr std::size_t some = 64;   // told at a time

    /// Those of one list of `whole` that go there.
    void take(degrade::line& whole, carried* first, degrade::line& part) const noexcept {
        for (carried* each = first; each != nullptr;) {
            carried* const behind = each->behind;
            if (desk_.doors.partition(*each) == part.where().partition) {
                part.take_over(*each, whole);
            }
            each = behind;
        }
    }
    /// Routes that are open and have nothing of their own any more.
    void rejoin() {
        if (desk_.apart.empty()) { // only the home changes it
            return;
        }
        const std::lock_guard lock(desk_.guard);
        desk_.apart.remove_if([this](const topic_partition& where) {
            if (desk_.doors.closed.contains(where)) {
                return false;
            }
            for (const policy how : {policy::deliver, policy::wait, policy::fail}) {
                const degrade::line& part = desk_.lines.find(where, how);
                if (!part.flows() || part.outage_lasts()) {
                    return false;
                }
            }
            for (const policy how : {policy::deliver, policy::wait, policy::fail}) {
                desk_.lines.find({where.topic, -1}, how).join(desk_.lines.find(where, how));
            }
            return true;
        });
    }
    auto reclaim_youngest(degrade::line& line, transport& kafka) noexcept -> bool {
        carried* youngest = nullptr;
        {
            const std::lock_guard lock(desk_.guard);
            youngest = line.in_client().back();
            if (youngest == nullptr) {
                return false;
            }
            failover_lines::pin(*youngest);
        }
        const bool mine = kafka.withdraw(*youngest);
        const std::lock_guard lock(desk_.guard);
        if (mine) {
            desk_.lines.move(*youngest, degrade::place::held);
        }
        desk_.lines.unpin(*youngest);
        return mine;
    }
    /// There may be somebody to be told. Under the lock.
    [[nodiscard]] auto outage() const noexcept -> bool {
        return outage_lasts_ || desk_.all_away() || desk_.doors.any();
    }
    /// With `wait`, publishers wait.
    [[nodiscard]] static auto ends(const degrade::line& line) noexcept -> bool {
        return line.when_away() != policy::wait;
    }
    /// True: there may be more.
    [[nodiscard]] auto part_some(clock::time_point now) noexcept -> bool {
        std::array<publish_node*, some> told{};
        std::size_t count = 0;
        {
            const std::lock_guard lock(desk_.guard);
            if (!outage()) {
                return false;
            }
            outage_lasts_ = false;
            for (std::size_t i = 0; i < desk_.lines.size(); ++i) {
                degrade::line& line = desk_.lines.at(i);
                carried* each = ends(line) ? line.in_client().front() : nullptr;
                std::size_t room = most;
                while (each != nullptr && count < some && room-- > 0 &&
                       ages_.of(each->sequence, now) >= limit_) {
                    carried* const behind = each->behind;
                    if (desk_.away(*each)) {
                        told[count] = &desk_.part(*each);
                        ++count;
                    }
                    each = behind;
                }
                outage_lasts_ = outage_lasts_ || (ends(line) && line.outage_lasts());
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            told[i]->completed(*told[i]);
        }
        if (count > 0) {
            runtime_.wake(); // those behind them may go on
        }
        return count == some;
    }

    line_desk& desk_;
    failover_runtime& runtime_;
    std::chrono::milliseconds limit_;
    std::chrono::milliseconds suspect_;
    degrade::ages ages_;
    degrade::oldest_waiting oldest_;
    bool outage_lasts_ = false; ///< for some that the client had then; guarded as the lines
};

} // namespace cobus::detail
