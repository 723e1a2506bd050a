#pragma once

#include "../error.hpp"
#include "../message.hpp"
#include "../net.hpp"
#include "../transport/transport.hpp"
#include "call_number.hpp"
#include "inbox.hpp"
#include "publish_op.hpp"
#include "queue.hpp"
#include "spin_lock.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// All publishes of a bus. `submit` and `cancel` come from any thread, `deliver` from the home.
class publisher {
public:
    explicit publisher(void (*wake)(void*) noexcept, void* who) noexcept : wake_(wake), who_(who) {}
    publisher(const publisher&) = delete;
    auto operator=(const publisher&) -> publisher& = delete;

    /// Whether handlers get what is published without leaving the process; also before the start.
    [[nodiscard]] auto in_process() const noexcept -> bool {
        const transport* to = to_.load(std::memory_order_acquire);
        return to == nullptr || to->in_process();
    }
    /// Whether what is published now leaves as bytes, and is answered from outside.
    [[nodiscard]] auto answers_later() const noexcept -> bool {
        const transport* to = to_.load(std::memory_order_acquire);
        return to != nullptr && to->answers_later();
    }
    /// Whether a message's observer is one of the nodes here.
    [[nodiscard]] auto has_made(std::uint64_t call) const noexcept -> bool {
        return calls_.is_ours(call);
    }
    /// The start was asked for: keeps what is submitted from now on until `connect` or the end.
    void expect_transport(std::size_t limit) noexcept {
        const std::lock_guard lock(guard_);
        if (stage_ == stage::before) {
            stage_ = stage::expecting;
            most_early_ = limit;
        }
    }
    /// Hands over what came early, in its order and before anything else. Null: it is over.
    void connect(transport* to) noexcept {
        for (;;) {
            queue<publish_op> some;
            {
                const std::lock_guard lock(guard_);
                std::swap(some, early_);
                if (some.empty() || to == nullptr) {
                    stage_ = to != nullptr ? stage::connected : stage::over;
                    to_.store(to, std::memory_order_release);
                    return;
                }
            }
            while (publish_op* const op = some.pop()) {
                if (hand_over(*to, *op, true) == taken::done) {
                    finish(*op);
                }
            }
        }
    }
    /// The start failed: so does what came early.
    void refuse_early(std::error_code ec) noexcept {
        queue<publish_op> some;
        {
            const std::lock_guard lock(guard_);
            std::swap(some, early_);
            stage_ = stage::over;
        }
        while (publish_op* const op = some.pop()) {
            op->ec = ec;
            finish(*op);
        }
    }

    [[nodiscard]] auto make() -> publish_op* {
        const std::lock_guard lock(guard_);
        if (free_ == nullptr) {
            grow();
        }
        return std::exchange(free_, free_->free_next);
    }

    /// Hands a message to the transport if that can take it without a node.
    [[nodiscard]] auto submit_now(message_ptr& content, std::int32_t partition,
                                  receipt& where) noexcept -> bool {
        transport* to = to_.load(std::memory_order_acquire);
        return to != nullptr && to->publish_now(content, partition, where);
    }
    /// Hands the node to the transport. `done`: `ec` and `where` are set, and the caller still owns
    /// it; `pending`: `attach` says who is told, or `abandon` that nobody is.
    [[nodiscard]] auto submit(publish_op& op, bool may_wait) noexcept -> taken {
        transport* to = to_.load(std::memory_order_acquire);
        if (to == nullptr) {
            const std::lock_guard lock(guard_);
            if (to = to_.load(std::memory_order_relaxed); to == nullptr) {
                return keep_early(op, may_wait);
            }
        }
        return hand_over(*to, op, may_wait);
    }
    /// Whether a node that was `pending`, and that nobody waits for, has ended: the caller's then.
    [[nodiscard]] auto has_ended(publish_op& op) noexcept -> bool {
        const std::lock_guard lock(guard_);
        return op.finished;
    }
    /// For who got `done` but wants the end told as if it came later.
    void tell_later(publish_op& op) noexcept { finish(op); }

    /// Tells `who` when it ends; at once, if it already did: then false, and the caller completes.
    [[nodiscard]] auto attach(publish_op& op, publish_op::waiter& who) noexcept -> bool {
        const std::lock_guard lock(guard_);
        if (op.finished) {
            return false;
        }
        op.waiting = &who;
        return true;
    }
    /// From now on `expire` ends it at its deadline.
    void watch(publish_op& op, std::uint64_t generation,
               std::chrono::steady_clock::time_point deadline) {
        {
            const std::lock_guard lock(guard_);
            if (op.generation != generation) {
                return; // it has ended meanwhile
            }
            op.watched = deadlines_.emplace(deadline, &op);
            soonest_.store(deadlines_.begin()->first, std::memory_order_relaxed);
        }
        wake_(who_);
    }
    [[nodiscard]] auto next_deadline() const noexcept -> std::chrono::steady_clock::time_point {
        return soonest_.load(std::memory_order_relaxed);
    }
    /// Ends what is past its deadline: `tell(waiter, ec, receipt)`. Home only.
    template <class Tell> void expire(std::chrono::steady_clock::time_point now, Tell tell) {
        while (next_deadline() <= now) {
            publish_op* due = nullptr;
            std::uint64_t generation = 0;
            {
                const std::lock_guard lock(guard_);
                if (deadlines_.empty()) {
                    return; // it has just ended
                }
                due = deadlines_.begin()->second;
                generation = due->generation;
                unwatch(*due);
            }
            std::error_code ec;
            receipt where;
            if (publish_op::waiter* who = cancel(*due, generation, ec, where)) {
                const bool withdrawn = ec == std::error_code(net::error::operation_aborted);
                tell(*who, withdrawn ? make_error_code(errc::timed_out) : ec, std::move(where));
            }
        }
    }

    /// A cancellation: the waiter, whom the caller tells `ec` and `where`, or null when too late.
    [[nodiscard]] auto cancel(publish_op& op, std::uint64_t generation, std::error_code& ec,
                              receipt& where) noexcept -> publish_op::waiter* {
        transport* to = to_.load(std::memory_order_acquire);
        bool never_sent = false;
        {
            const std::lock_guard lock(guard_);
            if (op.generation != generation || op.waiting == nullptr || op.cancelling) {
                return nullptr;
            }
            op.cancelling = true; // it may end meanwhile, but is not used for another publish
            early_.remove_if([&op](const publish_op& each) { return &each == &op; },
                             [&never_sent](publish_op& /*found*/) { never_sent = true; });
        }
        // Not under the guard: the transport may be completing nodes, which takes it.
        never_sent = never_sent || (!op.until_handled && to != nullptr && to->withdraw(op));
        message_ptr content;
        const std::lock_guard lock(guard_);
        op.cancelling = false;
        publish_op::waiter* who = std::exchange(op.waiting, nullptr);
        if (op.finished) {
            ec = op.ec;
            where = std::move(op.where);
            reuse(op);
        } else if (never_sent) {
            ec = net::error::operation_aborted;
            content = std::move(op.content);
            reuse(op);
        } else {
            ec = errc::maybe_sent;
            op.abandoned = true; // the transport still has it; `deliver` puts it back
        }
        return who;
    }

    /// Back into the pool, for who owns it.
    void release(publish_op& op) noexcept {
        op.content.reset(); // users' destructors run outside the guard
        const std::lock_guard lock(guard_);
        reuse(op);
    }
    /// Nobody waits for it; back into the pool when it ends.
    void abandon(publish_op& op) noexcept {
        const std::lock_guard lock(guard_);
        if (op.finished) {
            reuse(op);
        } else {
            op.abandoned = true;
        }
    }

    /// Tells all waiters whose publishes ended: `tell(waiter, ec, receipt)`. Home only.
    template <class Tell> auto deliver(Tell tell) -> bool {
        publish_op* each = ended_.take();
        const bool some = each != nullptr;
        for (publish_op* next = nullptr; each != nullptr; each = next) {
            next = each->inbox_next;
            const message_ptr content = std::move(each->content);
            publish_op::waiter* who = nullptr;
            const std::error_code ec = each->ec;
            receipt where;
            {
                const std::lock_guard lock(guard_);
                who = each->cancelling ? nullptr : std::exchange(each->waiting, nullptr);
                if (who != nullptr || each->abandoned) {
                    where = std::move(each->where);
                    reuse(*each);
                } else {
                    each->finished = true; // the submitter or a canceller is about to look
                }
            }
            if (who != nullptr) {
                tell(*who, ec, std::move(where));
            }
        }
        return some;
    }

    /// The end: tells those that ended, and all others what can still be said, and takes no more.
    template <class Tell> void end(Tell tell) {
        refuse_early(errc::closed);
        deliver(tell);
        transport* const to = to_.exchange(nullptr, std::memory_order_acq_rel);
        for (const auto& [who, op] : take_waiters()) {
            const bool never_sent = to != nullptr && !op->until_handled && to->withdraw(*op);
            const bool inside = to == nullptr || op->until_handled;
            tell(*who, make_error_code(never_sent || inside ? errc::closed : errc::maybe_sent),
                 receipt());
        }
    }
    /// The context is gone: nobody is told.
    void drop_waiters() noexcept {
        for (const auto& [who, op] : take_waiters()) {
            who->destroy();
        }
    }

private:
    friend struct publish_op;
    using chunk = std::array<publish_op, 64>;
    enum class stage : unsigned char { before, expecting, connected, over };
    static constexpr auto never = (std::chrono::steady_clock::time_point::max)();

    [[nodiscard]] auto take_waiters() -> std::vector<std::pair<publish_op::waiter*, publish_op*>> {
        std::vector<std::pair<publish_op::waiter*, publish_op*>> all;
        const std::lock_guard lock(guard_);
        for (const auto& each : chunks_) {
            for (publish_op& op : *each) {
                if (op.waiting != nullptr) {
                    all.emplace_back(std::exchange(op.waiting, nullptr), &op);
                    op.abandoned = true;
                }
            }
        }
        return all;
    }

    void grow() {
        chunks_.push_back(std::make_unique<chunk>());
        for (publish_op& op : *chunks_.back()) {
            op.owner = this;
            op.free_next = std::exchange(free_, &op);
        }
    }
    void unwatch(publish_op& op) noexcept {
        if (op.watched) {
            deadlines_.erase(*std::exchange(op.watched, std::nullopt));
            soonest_.store(deadlines_.empty() ? never : deadlines_.begin()->first,
                           std::memory_order_relaxed);
        }
    }
    void reuse(publish_op& op) noexcept {
        unwatch(op);
        op.where = receipt();
        op.ec.clear();
        op.problem.clear();
        op.partition = -1;
        op.deadline = (std::chrono::steady_clock::time_point::max)();
        op.waiting = nullptr;
        op.finished = op.abandoned = op.until_handled = op.cancelling = false;
        op.parts.store(1, std::memory_order_relaxed);
        op.call = 0;
        ++op.generation;
        op.free_next = std::exchange(free_, &op);
    }
    void finish(publish_op& op) noexcept {
        ended_.push(op);
        wake_(who_);
    }
    void answer(publish_op& op, int count) noexcept {
        if (op.parts.fetch_sub(count, std::memory_order_acq_rel) == count) {
            finish(op);
        }
    }
    /// Under the guard.
    [[nodiscard]] auto keep_early(publish_op& op, bool may_wait) noexcept -> taken {
        if (stage_ != stage::expecting) {
            op.ec = errc::closed;
            return taken::done;
        }
        if (!may_wait && early_.size() >= most_early_) {
            return taken::full;
        }
        early_.push(op);
        return taken::pending;
    }
    [[nodiscard]] auto hand_over(transport& to, publish_op& op, bool may_wait) noexcept -> taken {
        op.completed = [](publish_node& node) noexcept {
            auto& self = static_cast<publish_op&>(node);
            self.owner->answer(self, self.ec ? self.parts.load() : 1);
        };
        if (!op.until_handled) {
            return to.publish(op, may_wait);
        }
        if (!to.in_process()) { // which was not known yet when it was asked for
            op.ec = errc::not_in_process;
            return taken::done;
        }
        return submit_call(to, op);
    }
    /// A message that comes again is told of again, when its node may serve another publish.
    [[nodiscard]] auto is_first(publish_op& op, std::uint64_t call) noexcept -> bool {
        const std::lock_guard lock(guard_);
        return op.call == call && std::exchange(op.call, 0) != 0;
    }
    [[nodiscard]] auto submit_call(transport& to, publish_op& op) noexcept -> taken {
        op.parts.store(2, std::memory_order_relaxed);
        {
            const std::lock_guard lock(guard_);
            op.call = calls_.next();
            op.content->observe(&op, op.call);
        }
        const taken how = to.publish(op, true);
        if (how == taken::done) {
            if (op.ec) {
                return how;
            }
            answer(op, 1); // the handlers may be through already
        }
        return taken::pending;
    }

    void (*wake_)(void*) noexcept;
    void* who_;
    std::atomic<transport*> to_{nullptr};
    inbox<publish_op> ended_;
    spin_lock guard_; // of these
    stage stage_ = stage::before;
    call_number calls_;
    queue<publish_op> early_; ///< submitted after the start was asked for, and before it was done
    std::size_t most_early_ = 0; ///< of those that would not wait
    publish_op* free_ = nullptr;
    std::vector<std::unique_ptr<chunk>> chunks_;
    publish_deadlines deadlines_;
    /// Of them; who adds one wakes the home afterwards, so that it sees it.
    std::atomic<std::chrono::steady_clock::time_point> soonest_{never};
};

inline void publish_op::handled(std::uint64_t number, bool all_done) noexcept {
    if (!owner->is_first(*this, number)) {
        return;
    }
    if (!all_done) {
        ec = errc::handler_failed;
    }
    owner->answer(*this, 1);
}

} // namespace cobus::detail
