#pragma once

#include "../../degrade/ages.hpp"
#include "../../degrade/oldest_waiting.hpp"
#include "../transport.hpp"
#include "spool_desk.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Closes and opens the gates of single routes for what is kept. Of the home.
class spool_routes {
public:
    using clock = std::chrono::steady_clock;

    /// `suspect`: what waits longer for Kafka's answer is worth a question.
    spool_routes(spool_desk& desk, std::chrono::milliseconds suspect) noexcept
        : desk_(desk), suspect_(suspect) {}

    /// Where publishers wait for Kafka's answer for longer than `suspect`. True: something is under
    /// way.
    auto look(clock::time_point now, std::vector<waiting_route>& waiting) -> bool {
        const std::lock_guard lock(desk_.guard);
        ages_.mark(now, desk_.spool.next_sequence());
        std::size_t room = most;
        for (const kept* each = desk_.spool.first_direct(); each != nullptr && room-- > 0;
             each = each->behind) {
            const auto age = ages_.of(each->sequence, now);
            if (age < suspect_) {
                break;
            }
            oldest_.note({each->content->interned_topic(), desk_.doors.partition(*each)}, age,
                         each->sequence, now, waiting);
        }
        oldest_.end(now);
        return desk_.spool.first_direct() != nullptr;
    }

    /// Nothing goes there from now on: what Kafka's client has is kept, too, and its publishers are
    /// told so.
    void close(const topic_partition& where, clock::time_point now) noexcept {
        try {
            const std::lock_guard lock(desk_.guard);
            desk_.doors.closed.add(where);
        } catch (...) { // no memory: it is looked at again
            return;
        }
        sweep(now, true);
    }
    /// Those that waited for no certain partition may be at one that is closed.
    void sweep(clock::time_point now) noexcept { sweep(now, false); }

    void open(const topic_partition& where) noexcept {
        const std::lock_guard lock(desk_.guard);
        desk_.doors.closed.remove(where);
        desk_.doors.some_direct = desk_.doors.some_direct && !desk_.doors.closed.empty();
        desk_.local.clear([this](const kept& item) { return !desk_.doors.away(item); });
        desk_.spool.unpark([this](const kept& item) { return !desk_.doors.away(item); });
        desk_.runtime.wake();
    }
    [[nodiscard]] auto answered() noexcept -> std::vector<topic_partition> {
        const std::lock_guard lock(desk_.guard);
        return std::exchange(desk_.doors.answered, {});
    }
    /// Whether Kafka's client has something for it.
    [[nodiscard]] auto under_way(const topic_partition& where) noexcept -> bool {
        const std::lock_guard lock(desk_.guard);
        for (const kept* first : {desk_.spool.first_direct(), desk_.spool.first_in_client()}) {
            for (const kept* each = first; each != nullptr; each = each->behind) {
                const std::int32_t partition = desk_.doors.partition(*each);
                if (each->content->interned_topic() == where.topic &&
                    (partition == where.partition || where.partition < 0)) {
                    return true;
                }
            }
        }
        return false;
    }

private:
    using kept = degrade::kept;
    static constexpr std::size_t most = 1000; // looked at under the lock

    void sweep(clock::time_point now, bool all) noexcept {
        std::vector<publish_node*> told;
        try {
            const std::lock_guard lock(desk_.guard);
            told.reserve(desk_.spool.all() - desk_.spool.answered());
            for (kept* each = desk_.spool.first_direct(); each != nullptr;) {
                kept* const behind = each->behind;
                const bool old = ages_.of(each->sequence, now) >= suspect_;
                if (!old && !all) {
                    break;
                }
                if (desk_.doors.closed.contains(each->content->interned_topic(),
                                                desk_.doors.partition(*each)) &&
                    (old || desk_.doors.partition(*each) >= 0)) {
                    keep(*each, told);
                }
                each = behind;
            }
            for (kept* each = all ? desk_.spool.next() : nullptr; each != nullptr;) {
                kept* const behind = each->behind;
                if (each->outer != nullptr && !each->put && desk_.doors.away(*each)) {
                    if (publish_node* outer = desk_.taken_in(*each)) {
                        told.push_back(outer);
                    }
                }
                each = behind;
            }
        } catch (...) { // no memory: at the next look
            const std::lock_guard lock(desk_.guard);
            desk_.doors.some_direct = true;
        }
        for (publish_node* each : told) {
            each->completed(*each);
        }
    }
    void keep(kept& item, std::vector<publish_node*>& told) {
        desk_.spool.to_row(item, desk_.options.wall());
        if (desk_.stores()) {
            desk_.store(item);
        } else {
            told.push_back(&desk_.answer(item));
        }
    }

    spool_desk& desk_;
    std::chrono::milliseconds suspect_;
    degrade::ages ages_;
    degrade::oldest_waiting oldest_;
};

} // namespace cobus::detail
