#pragma once

#include "../../detail/spin_lock.hpp"
#include "../../error.hpp"
#include "reader.hpp"
#include "waiting_line.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace cobus::detail {

/// How much a partition keeps.
struct memory_limits {
    std::int64_t retention = 65536; ///< messages in the log
    std::int64_t lag = 65536;       ///< not yet committed by a group with members
    bool lean = false;              ///< what every group has committed goes at once
};

/// The log of one partition: offsets from 0 without gaps, bounded, with suspended publishers in
/// line when a group that has members would lose something. Every call from any thread.
class memory_partition {
public:
    memory_partition(const std::string* topic, std::int32_t number, memory_limits limits) noexcept
        : full_at_(limits.retention), where_{topic, number}, limits_(limits) {}
    memory_partition(const memory_partition&) = delete;
    auto operator=(const memory_partition&) -> memory_partition& = delete;
    ~memory_partition() {
        for (std::int64_t at = first_; at < end(); ++at) {
            pool_delete(log_[at].content);
        }
    }

    [[nodiscard]] auto where() const noexcept -> const topic_partition& { return where_; }
    [[nodiscard]] auto end() const noexcept -> std::int64_t {
        return end_.load(std::memory_order_acquire);
    }
    [[nodiscard]] auto first() noexcept -> std::int64_t {
        const std::lock_guard lock(guard_);
        return first_;
    }

    // --- publishers

    [[nodiscard]] auto publish(publish_node& node, bool may_wait,
                               const std::shared_ptr<memory_account>& owner) noexcept -> taken {
        scrap unwanted;
        wake_gate* gate = nullptr;
        {
            const std::lock_guard lock(guard_);
            if (end_.load(std::memory_order_relaxed) >= full_at_) {
                make_room(unwanted);
            }
            if (!line_.empty() || end_.load(std::memory_order_relaxed) >= full_at_) {
                return may_wait ? stand_in_line(node, owner) : taken::full;
            }
            append(node);
            gate = node.ec ? nullptr : claim();
        }
        finish(gate);
        return taken::done;
    }
    /// Takes the message if there is room now.
    [[nodiscard]] auto publish_now(message_ptr& content, receipt& where) noexcept -> bool {
        wake_gate* gate = nullptr;
        {
            const std::lock_guard lock(guard_);
            if (!line_.empty() || end_.load(std::memory_order_relaxed) >= full_at_ ||
                !append(content, where)) {
                return false;
            }
            gate = claim();
        }
        finish(gate);
        return true;
    }
    /// The partition in whose line a node is, or was.
    [[nodiscard]] static auto of(publish_node& node) noexcept -> memory_partition* {
        return reinterpret_cast<memory_partition*>( // NOLINT: put there by `stand_in_line`
            std::atomic_ref(node.scratch).load(std::memory_order_acquire));
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool {
        memory_waiter* found = nullptr;
        {
            const std::lock_guard lock(guard_);
            found = line_.remove(node);
        }
        if (found != nullptr) {
            memory_line::drop(found);
        }
        return found != nullptr;
    }
    /// Ends what an owner has in line.
    void fail_all(const memory_account& owner, std::error_code ec) noexcept {
        memory_waiter* list = nullptr;
        {
            const std::lock_guard lock(guard_);
            list = line_.remove_all(owner);
        }
        for (memory_waiter* each = list; each != nullptr; each = each->next) {
            each->node->ec = ec;
        }
        memory_waiter::complete(list);
    }

    // --- groups

    /// The group's cursor, made at the first call. May throw `std::bad_alloc`.
    [[nodiscard]] auto cursor(const void* group) -> memory_cursor& {
        const std::lock_guard lock(guard_);
        if (memory_cursor* found = find(group)) {
            return *found;
        }
        cursors_.push_back(std::make_unique<memory_cursor>());
        cursors_.back()->group = group;
        return *cursors_.back();
    }
    [[nodiscard]] auto committed(const void* group) -> position {
        const std::lock_guard lock(guard_);
        const memory_cursor* found = find(group);
        return found != nullptr ? position{where_, found->committed, found->metadata}
                                : position{where_, -1, {}};
    }
    /// Whether the group may lose nothing. Follow with `tidy`.
    void activate(memory_cursor& group, bool active, start_at from) noexcept {
        const std::lock_guard lock(guard_);
        group.active = active;
        if (active && group.committed < 0) {
            (void)place(group, from);
        }
        full_at_ = 0; // to be computed
    }
    /// Hands it to a member. Returns how many messages the group had not handled and are gone.
    auto own(memory_cursor& group, const void* owner, std::uint32_t epoch, start_at from) noexcept
        -> std::int64_t {
        const std::lock_guard lock(guard_);
        group.owner = owner;
        group.epoch = epoch;
        return owner != nullptr ? place(group, from) : 0;
    }
    /// The reader begins at what the group has committed. May throw `std::bad_alloc`.
    void attach(memory_reader& reader) {
        const std::lock_guard lock(guard_);
        readers_.push_back(&reader);
        reader.next = reader.cursor->committed;
        reader.low.store(reader.next, std::memory_order_relaxed);
    }
    void detach(memory_reader& reader) noexcept {
        const std::lock_guard lock(guard_);
        std::erase(readers_, &reader);
    }

    // --- readers

    struct taken_out {
        std::size_t count;
        bool more; ///< else the next append calls the reader
    };
    /// Copies what lies from the reader's position on; `handle` is the typed payload to lend.
    [[nodiscard]] auto read(memory_reader& reader, std::span<delivery> room) noexcept -> taken_out {
        const std::lock_guard lock(guard_);
        const std::int64_t left = end_.load(std::memory_order_relaxed) - reader.next;
        const auto count = (std::min)(room.size(), static_cast<std::size_t>(left));
        for (std::size_t i = 0; i < count; ++i) {
            const auto offset = reader.next + static_cast<std::int64_t>(i);
            const entry& item = log_[offset];
            room[i].content = item.content;
            room[i].offset = offset;
            room[i].handle = reinterpret_cast<std::uintptr_t>(item.published); // NOLINT
        }
        const bool more = static_cast<std::int64_t>(count) < left;
        reader.waiting = !more;
        someone_waits_ = someone_waits_ || !more;
        return {count, more};
    }
    /// No append calls the reader from now on. False: one has called it before, or nobody would.
    auto stop_waiting(memory_reader& reader) noexcept -> bool {
        const std::lock_guard lock(guard_);
        return std::exchange(reader.waiting, false);
    }
    /// Refused when the assignment is over. Tidies, too.
    [[nodiscard]] auto commit(memory_reader& reader, const position& what) noexcept -> bool {
        return tidy_after([&] {
            memory_cursor& group = *reader.cursor;
            if (group.owner != reader.gate || group.epoch != reader.epoch) {
                return false;
            }
            try {
                group.metadata = what.metadata;
            } catch (const std::bad_alloc&) {
                return false;
            }
            group.committed =
                (std::clamp)(what.offset, first_, end_.load(std::memory_order_relaxed));
            return true;
        });
    }

    /// Drops what may go and lets suspended publishers in, after a change that may have made room.
    void tidy() noexcept {
        (void)tidy_after([] { return true; });
    }

private:
    /// Tidies after a change under the same lock, if `change` says that there is one.
    template <class Change> [[nodiscard]] auto tidy_after(Change change) noexcept -> bool {
        bool changed = false;
        for (bool more = true; more;) {
            scrap unwanted;
            memory_waiter* done = nullptr;
            wake_gate* gate = nullptr;
            {
                const std::lock_guard lock(guard_);
                if (!changed && !change()) {
                    return false;
                }
                changed = true;
                make_room(unwanted);
                done = let_in();
                gate = done != nullptr ? claim() : nullptr;
                more = unwanted.full() || (!line_.empty() && unwanted.count > 0);
            }
            finish(gate);
            memory_waiter::complete(done);
        }
        return true;
    }

    struct entry {
        message* content = nullptr;
        const box* published = nullptr; ///< as it was when published
    };
    /// Messages on their way out, freed after the lock is released.
    struct scrap {
        scrap() = default;
        scrap(const scrap&) = delete;
        auto operator=(const scrap&) -> scrap& = delete;
        ~scrap() {
            for (std::size_t i = 0; i < count; ++i) {
                pool_delete(items[i]);
            }
        }
        [[nodiscard]] auto full() const noexcept -> bool { return count == items.size(); }

        std::array<message*, 64> items; // NOLINT: only what `count` says is ever read
        std::size_t count = 0;
    };

    [[nodiscard]] auto find(const void* group) noexcept -> memory_cursor* {
        for (const auto& each : cursors_) {
            if (each->group == group) {
                return each.get();
            }
        }
        return nullptr;
    }
    /// Gives a group without a position, or with one that is gone, its place.
    auto place(memory_cursor& group, start_at from) noexcept -> std::int64_t {
        if (group.committed >= first_) {
            return 0;
        }
        const std::int64_t lost = group.committed < 0 ? 0 : first_ - group.committed;
        group.committed =
            from == start_at::earliest ? first_ : end_.load(std::memory_order_relaxed);
        return lost;
    }

    /// False: there is no memory, and nothing has changed.
    [[nodiscard]] auto append(message_ptr& content, receipt& where) noexcept -> bool {
        const std::int64_t offset = end_.load(std::memory_order_relaxed);
        try {
            const auto used = static_cast<std::size_t>(offset - first_);
            log_.reserve(first_, used, used + 1);
        } catch (const std::bad_alloc&) {
            return false;
        }
        where.id(content->id());
        where.topic(where_.topic);
        where.position(where_.partition, offset);
        where.timestamp(content->time());
        where.way(path::memory, false);
        const box* const published = content->published();
        log_[offset] = entry{content.release(), published};
        end_.store(offset + 1, std::memory_order_release);
        return true;
    }
    /// Fails the node when there is no memory.
    void append(publish_node& node) noexcept {
        if (!append(node.content, node.where)) {
            node.ec = std::make_error_code(std::errc::not_enough_memory);
        }
    }
    [[nodiscard]] auto stand_in_line(publish_node& node,
                                     const std::shared_ptr<memory_account>& owner) noexcept
        -> taken {
        if (!owner->enter()) {
            node.ec = errc::closed;
            return taken::done;
        }
        try {
            line_.push(node, owner);
        } catch (const std::bad_alloc&) {
            owner->leave();
            node.ec = std::make_error_code(std::errc::not_enough_memory);
            return taken::done;
        }
        std::atomic_ref(node.scratch)
            .store(reinterpret_cast<std::uintptr_t>(this), std::memory_order_release); // NOLINT
        return taken::pending;
    }
    [[nodiscard]] auto let_in() noexcept -> memory_waiter* {
        memory_waiter* list = nullptr;
        memory_waiter** last = &list;
        while (!line_.empty() && end_.load(std::memory_order_relaxed) < full_at_) {
            memory_waiter* first = line_.pop();
            append(*first->node);
            *last = first;
            last = &first->next;
        }
        *last = nullptr;
        return list;
    }

    /// Drops what may go, at most a scrap full, and finds out when the log is full next.
    void make_room(scrap& unwanted) noexcept {
        const std::int64_t end = end_.load(std::memory_order_relaxed);
        std::int64_t all = end;    // every group has committed up to here
        std::int64_t active = end; // every group that has members
        for (const auto& each : cursors_) {
            const std::int64_t committed = (std::max)(each->committed, first_);
            all = (std::min)(all, committed);
            active = each->active ? (std::min)(active, committed) : active;
        }
        std::int64_t keep = limits_.lean && !cursors_.empty() ? all : first_;
        if (end - keep >= limits_.retention) {
            // Some more than needed, so that not every publish comes here.
            const std::int64_t spare = (std::min<std::int64_t>)(limits_.retention / 64, 63);
            keep = (std::max)(keep, (std::min)(active, end - limits_.retention + 1 + spare));
        }
        for (const memory_reader* each : readers_) {
            keep = (std::min)(keep, each->low.load(std::memory_order_acquire));
        }
        while (first_ < keep && !unwanted.full()) {
            unwanted.items[unwanted.count++] = log_[first_++].content;
        }
        full_at_ = (std::min)(first_ + limits_.retention, active + limits_.lag);
    }

    /// After an append: calls the readers, and says whose gate is to be fired once the lock is
    /// released.
    [[nodiscard]] auto claim() noexcept -> wake_gate* {
        if (!someone_waits_) {
            return nullptr;
        }
        for (memory_reader* each : readers_) {
            if (std::exchange(each->waiting, false)) {
                each->called->push(*each);
                if (each->gate->claim()) {
                    return each->gate;
                }
            }
        }
        someone_waits_ = false;
        return nullptr;
    }
    void finish(wake_gate* gate) noexcept {
        while (gate != nullptr) {
            gate->fire();
            const std::lock_guard lock(guard_);
            gate = claim();
        }
    }

    // What every publish looks at comes first.
    spin_lock guard_;
    bool someone_waits_ = false;
    std::atomic<std::int64_t> end_{0};
    std::int64_t first_ = 0;
    std::int64_t full_at_;
    numbered_ring<entry> log_;
    memory_line line_;
    std::vector<memory_reader*> readers_;
    topic_partition where_;
    memory_limits limits_;
    std::vector<std::unique_ptr<memory_cursor>> cursors_;
};

} // namespace cobus::detail
