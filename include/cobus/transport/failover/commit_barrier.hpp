#pragma once

#include "../transport.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

namespace cobus::detail {

/// What streams know of the spool. Any thread.
class spool_view {
public:
    spool_view() = default;
    spool_view(const spool_view&) = delete;
    auto operator=(const spool_view&) -> spool_view& = delete;

    /// This member owns the partition and has handled everything below; −1: it went elsewhere.
    virtual void handled(const topic_partition& where, std::int64_t below) noexcept = 0;
    /// Above all that is kept now; 0 when nothing is.
    [[nodiscard]] virtual auto tail() noexcept -> std::uint64_t = 0;
    /// What lies below is with Kafka, or will be whatever becomes of this process.
    [[nodiscard]] virtual auto safe_below() noexcept -> std::uint64_t = 0;
    /// `who` is woken whenever `safe_below` rises, until `unwatch`.
    virtual void watch(waker& who) = 0;
    virtual void unwatch(waker& who) noexcept = 0;

protected:
    ~spool_view() = default;
};

/// Keeps a commit of Kafka's positions until everything is safe that was kept for Kafka when it was
/// asked for: what the handlers of those messages published may be among it, and would be lost with
/// this process, while Kafka would never bring the messages again.
///
/// A commit that has to wait is answered at once, so that the positions in memory can be committed
/// meanwhile; if it never comes to be, its messages come again. Used by one thread at a time.
class commit_barrier final : private operation {
public:
    commit_barrier(spool_view* spool, waker& ready) : spool_(spool), ready_(&ready) {
        completed = [](operation& self) noexcept {
            auto& me = static_cast<commit_barrier&>(self);
            me.busy_.store(false, std::memory_order_release);
            me.ready_->wake();
        };
        if (spool_ != nullptr) {
            spool_->watch(ready);
        }
    }
    commit_barrier(const commit_barrier&) = delete;
    auto operator=(const commit_barrier&) -> commit_barrier& = delete;
    ~commit_barrier() {
        if (spool_ != nullptr) {
            spool_->unwatch(*ready_);
        }
    }

    void handled(const topic_partition& where, std::int64_t below) noexcept {
        if (spool_ != nullptr) {
            spool_->handled(where, below);
        }
    }
    void commit(stream& to, std::span<const position> positions, std::uint32_t epoch,
                operation& done) {
        const std::uint64_t tail = spool_ != nullptr ? spool_->tail() : 0;
        const bool free = tail == 0 || spool_->safe_below() >= tail;
        if (free && held_.empty() && !busy_.load(std::memory_order_acquire)) {
            to.commit(positions, epoch, done);
            return;
        }
        if (held_.size() < 2 || held_.back().epoch != epoch) {
            held_.push_back({tail, epoch, {}});
        }
        held_.back().tail = tail;
        for (const position& each : positions) {
            merge(held_.back().positions, each);
        }
        done.ec.clear();
        done.completed(done);
    }
    /// Goes on with what waits, if it may.
    void look(stream& to) noexcept {
        if (held_.empty() || busy_.load(std::memory_order_acquire) ||
            (held_.front().tail != 0 && spool_->safe_below() < held_.front().tail)) {
            return;
        }
        going_ = std::move(held_.front());
        held_.pop_front();
        busy_.store(true, std::memory_order_release);
        to.commit(going_.positions, going_.epoch, *this);
    }
    /// The assignment is over.
    void give_up() noexcept { held_.clear(); }

private:
    struct waiting {
        std::uint64_t tail = 0;
        std::uint32_t epoch = 0;
        std::vector<position> positions;
    };

    static void merge(std::vector<position>& into, const position& newer) {
        for (position& each : into) {
            if (each.where == newer.where) {
                each = newer;
                return;
            }
        }
        into.push_back(newer);
    }

    spool_view* spool_;
    waker* ready_;
    std::deque<waiting> held_;
    waiting going_;
    std::atomic<bool> busy_{false};
};

} // namespace cobus::detail
