#pragma once

#include "../transport.hpp"

#include <cstdint>
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
/// this process, while Kafka would never bring the messages again. One commit at a time.
class commit_barrier {
public:
    commit_barrier(spool_view* spool, waker& ready) : spool_(spool), ready_(&ready) {
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
    /// `hopeless`: there is no time to wait, so a commit that would have to is given up, as if it
    /// were done: its messages come again.
    void commit(stream& to, std::span<const position> positions, std::uint32_t epoch,
                operation& done, bool hopeless) {
        const std::uint64_t tail = spool_ != nullptr ? spool_->tail() : 0;
        if (tail == 0 || spool_->safe_below() >= tail) {
            to.commit(positions, epoch, done);
        } else if (hopeless) {
            done.ec.clear();
            done.completed(done);
        } else {
            positions_.assign(positions.begin(), positions.end());
            epoch_ = epoch;
            tail_ = tail;
            done_ = &done;
        }
    }
    /// Goes on with what waits, if it may.
    void look(stream& to) noexcept {
        if (done_ != nullptr && spool_->safe_below() >= tail_) {
            to.commit(positions_, epoch_, *std::exchange(done_, nullptr));
        }
    }
    void give_up() noexcept {
        if (operation* const done = std::exchange(done_, nullptr)) {
            done->ec.clear();
            done->completed(*done);
        }
    }

private:
    spool_view* spool_;
    waker* ready_;
    operation* done_ = nullptr;
    std::vector<position> positions_;
    std::uint32_t epoch_ = 0;
    std::uint64_t tail_ = 0;
};

} // namespace cobus::detail
