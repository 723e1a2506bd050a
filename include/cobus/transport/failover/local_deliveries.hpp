#pragma once

#include "../../degrade/spool.hpp"
#include "../../detail/pool.hpp"
#include "../../detail/spin_lock.hpp"
#include "../transport.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Which handlers are through with which events, until the file is told. Its lock is taken last.
class settled_notes {
public:
    struct note {
        std::uint64_t sequence;
        std::string handler;
    };

    static void add(void* self, std::uint64_t sequence, std::string_view handler) {
        auto& me = *static_cast<settled_notes*>(self);
        const std::lock_guard lock(me.guard_);
        me.all_.push_back({sequence, std::string(handler)});
    }
    [[nodiscard]] auto take() -> std::vector<note> {
        const std::lock_guard lock(guard_);
        return std::exchange(all_, {});
    }

private:
    spin_lock guard_;
    std::vector<note> all_;
};

/// Hands events that the spool keeps to the handlers of this process, in the order in which they
/// were published. The handlers get a reading of their own of the event, so it may go to Kafka at
/// any time.
class local_deliveries {
public:
    local_deliveries(transport& memory, degrade::spool& of, spin_lock& guard, settled_notes& notes,
                     bool noted)
        : memory_(memory), spool_(of), guard_(guard), notes_(notes), noted_(noted) {}
    local_deliveries(const local_deliveries&) = delete;
    auto operator=(const local_deliveries&) -> local_deliveries& = delete;

    // Under the lock.

    void add(degrade::kept& item) {
        waiting_.push_back({&item, item.sequence});
        item.deliver = true;
    }
    /// Those that were not handed over come from Kafka.
    void clear() noexcept {
        clear([](const degrade::kept&) { return true; });
    }
    /// The same of those of which `which(item)` says so.
    template <class Which> void clear(Which which) noexcept {
        std::erase_if(waiting_, [&](const entry& each) {
            if (!is_that(each)) {
                return true;
            }
            if (!which(*each.item)) {
                return false;
            }
            each.item->deliver = false;
            spool_.unclean(*each.item);
            return true;
        });
    }

    // Of the home.

    /// True: there is more.
    [[nodiscard]] auto run(bool open) noexcept -> bool {
        for (std::size_t i = 0; open && i < batch; ++i) {
            local* const next = take();
            if (next == nullptr) {
                return false;
            }
            if (memory_.publish(*next, true) != taken::pending) {
                ended(*next);
            }
        }
        return open;
    }

private:
    static constexpr std::size_t batch = 256;

    struct entry {
        degrade::kept* item;
        std::uint64_t sequence; ///< the item may be another event's by now
    };
    struct local final : publish_node {
        local_deliveries* home = nullptr;
        entry of{};
    };

    [[nodiscard]] static auto is_that(const entry& which) noexcept -> bool {
        return which.item->sequence == which.sequence && which.item->deliver;
    }

    [[nodiscard]] auto take() noexcept -> local* {
        const std::lock_guard lock(guard_);
        while (!waiting_.empty()) {
            const entry next = waiting_.front();
            waiting_.pop_front();
            if (!is_that(next)) {
                continue;
            }
            next.item->deliver = false;
            try {
                return make(next);
            } catch (...) { // no memory
                spool_.unclean(*next.item);
            }
        }
        return nullptr;
    }
    [[nodiscard]] auto make(const entry& of) -> local* {
        degrade::kept& item = *of.item;
        message_ptr reading = make_message();
        reading->borrow(*item.content, item.content->published());
        item.run = pool_new<local_run>();
        item.run->keep();
        if (noted_) {
            item.run->on_settled(&settled_notes::add, &notes_, item.sequence);
        }
        reading->run(item.run);
        reading->hold(item.run, &local_run::release);
        auto* const made = pool_new<local>();
        made->content = std::move(reading);
        made->partition = item.partition;
        made->when_away = item.when_away;
        made->home = this;
        made->of = of;
        made->completed = [](publish_node& node) noexcept {
            auto& self = static_cast<local&>(node);
            self.home->ended(self);
        };
        return made;
    }
    void ended(local& node) noexcept {
        if (node.ec) { // nobody here will handle it
            const std::lock_guard lock(guard_);
            if (node.of.item->sequence == node.of.sequence) {
                spool_.unclean(*node.of.item);
            }
        }
        pool_delete(&node);
    }

    transport& memory_;
    degrade::spool& spool_;
    spin_lock& guard_;
    settled_notes& notes_;
    bool noted_; ///< there is a file
    std::deque<entry> waiting_;
};

} // namespace cobus::detail
