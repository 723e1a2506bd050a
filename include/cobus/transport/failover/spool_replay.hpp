#pragma once

#include "../../degrade/mark.hpp"
#include "spool_desk.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

namespace cobus::detail {

/// Gives Kafka's client what was kept for it: in the order of publishing, but for keys of which a
/// handler is still at work in process. Of the home.
class spool_replay {
public:
    using clock = std::chrono::steady_clock;

    spool_replay(spool_desk& desk, transport& kafka)
        : desk_(desk),
          kafka_(kafka),
          window_((std::clamp<std::size_t>)(desk.options.queue_messages / 4, 1, 16384)) {}

    /// True: there is more.
    [[nodiscard]] auto run(clock::time_point now) noexcept -> bool {
        look_at_blocked(now);
        for (std::size_t i = 0; i < batch; ++i) {
            if (!replay_one(now)) {
                return false;
            }
        }
        return true;
    }

private:
    using kept = degrade::kept;
    static constexpr std::size_t batch = 256; // sent in one run, so that others get their turn

    /// Gives Kafka's client the next that was kept. False: there is none that may go.
    auto replay_one(clock::time_point now) noexcept -> bool {
        kept* item = nullptr;
        {
            const std::lock_guard lock(desk_.guard);
            item = next_to_send(now);
            if (item == nullptr) {
                return false;
            }
            if (!desk_.doors.finds_way(*item, item->lane)) {
                desk_.spool.park(*item);
                return true;
            }
            if (must_wait(*item, now)) {
                desk_.spool.block(*item);
                return true;
            }
            desk_.spool.begin_send(*item);
            mark(*item);
            desk_.spool.pin(*item);
        }
        const taken how = kafka_.publish(*item, true);
        if (how == taken::done) {
            if (publish_node* outer = desk_.settle(*item, true)) {
                outer->completed(*outer);
            }
        }
        const std::lock_guard lock(desk_.guard);
        if (how == taken::full) { // though it may wait
            desk_.spool.back(*item);
            desk_.pause = now + spool_desk::pause_time;
        }
        desk_.spool.sent(*item);
        desk_.spool.unpin(*item);
        return true;
    }
    /// Says in the message which handlers are through with it. Under the lock: readers in process
    /// have headers of their own.
    void mark(kept& item) const noexcept try {
        if (item.run == nullptr) {
            return;
        }
        const std::vector<std::string> done = item.run->settled();
        const auto until = desk_.options.wall() + desk_.options.spool.mark_life;
        const std::string text = degrade::write_mark(until, desk_.options.group_id, done);
        if (!text.empty()) {
            item.content->headers().set(degrade::mark_header, text);
        }
    } catch (...) { // no memory: they run again
    }
    [[nodiscard]] auto next_to_send(clock::time_point now) noexcept -> kept* {
        if (desk_.pause && *desk_.pause <= now) {
            desk_.pause.reset();
        }
        const bool open = desk_.gate.what == state::connected && !desk_.pause;
        return open && desk_.spool.in_client() < window_ ? desk_.spool.next() : nullptr;
    }
    /// Its handlers, or those of an older one of its key, still run in process.
    [[nodiscard]] auto must_wait(kept& item, clock::time_point now) noexcept -> bool {
        if (desk_.spool.key_blocked(item.lane)) {
            item.until = (clock::time_point::max)();
            return true;
        }
        if (item.run == nullptr || item.run->close(&run_ended, this) || item.run->idle()) {
            return false;
        }
        item.until = now + desk_.options.drain_limit;
        return true;
    }
    static void run_ended(void* self) noexcept {
        static_cast<spool_replay*>(self)->desk_.runtime.wake();
    }
    void look_at_blocked(clock::time_point now) noexcept {
        const std::lock_guard lock(desk_.guard);
        for (kept* each = desk_.spool.first_blocked(); each != nullptr;) {
            kept* const behind = each->behind;
            if (each->run != nullptr && each->until <= now) {
                each->run->forget();
            }
            if (each->run != nullptr && each->until != (clock::time_point::max)() &&
                each->run->idle()) {
                desk_.spool.unblock(each->lane);
                each = desk_.spool.first_blocked(); // others of its key went, too
                continue;
            }
            each = behind;
        }
    }

    spool_desk& desk_;
    transport& kafka_;
    std::size_t window_; ///< of what was kept, so much is with Kafka's client at a time
};

} // namespace cobus::detail
