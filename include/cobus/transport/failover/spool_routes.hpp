#pragma once

#include "../../degrade/ages.hpp"
#include "../../degrade/oldest_waiting.hpp"
#include "../transport.hpp"
#include "spool_desk.hpp"
#include "spool_passing.hpp"

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
        const publish_node* const first = desk_.spool.first_passing();
        for (const publish_node* each = first; each != nullptr && room-- > 0;
             each = each->passed.behind) {
            const auto age = ages_.of(each->passed.sequence, now);
            if (age < suspect_) {
                break;
            }
            oldest_.note({each->content->interned_topic(), desk_.doors.partition(*each)}, age,
                         each->passed.sequence, now, waiting);
        }
        oldest_.end(now);
        return first != nullptr;
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
        desk_.doors.some_pass = desk_.doors.some_pass && !desk_.doors.closed.empty();
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
        const auto goes_there = [&](const publish_node& node) {
            return node.content->interned_topic() == where.topic &&
                   (where.partition < 0 || desk_.doors.partition(node) == where.partition);
        };
        const publish_node* node = desk_.spool.first_passing();
        while (node != nullptr && !goes_there(*node)) {
            node = node->passed.behind;
        }
        const kept* row = node == nullptr ? desk_.spool.first_in_client() : nullptr;
        while (row != nullptr && !goes_there(row->sent_as())) {
            row = row->behind;
        }
        return node != nullptr || row != nullptr;
    }

private:
    using kept = degrade::kept;
    static constexpr std::size_t most = 1000; // looked at under the lock

    void sweep(clock::time_point now, bool all) noexcept {
        std::vector<publish_node*> told;
        try {
            const std::lock_guard lock(desk_.guard);
            told.reserve(desk_.spool.rows() - desk_.spool.answered());
            for (publish_node* each = desk_.spool.first_passing(); each != nullptr;) {
                publish_node* const behind = each->passed.behind;
                const bool old = ages_.of(each->passed.sequence, now) >= suspect_;
                if (!old && !all) {
                    break;
                }
                const std::int32_t partition = desk_.doors.partition(*each);
                if (desk_.doors.closed.contains(each->content->interned_topic(), partition) &&
                    (old || partition >= 0)) {
                    passing_.keep(*each);
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
            desk_.doors.some_pass = true;
        }
        for (publish_node* each : told) {
            each->completed(*each);
        }
    }
    spool_desk& desk_;
    spool_passing passing_{desk_};
    std::chrono::milliseconds suspect_;
    degrade::ages ages_;
    degrade::oldest_waiting oldest_;
};

} // namespace cobus::detail
