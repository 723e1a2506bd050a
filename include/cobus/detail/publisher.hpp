#pragma once

#include "../error.hpp"
#include "../message.hpp"
#include "../net.hpp"
#include "../transport/transport.hpp"
#include "call_number.hpp"
#include "inbox.hpp"
#include "publish_deadlines.hpp"
#include "publish_op.hpp"
#include "publish_pool.hpp"
#include "queue.hpp"
#include "spin_lock.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
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
        return nodes_.take();
    }

    /// Hands a message to the transport if that can take it without a node.
    [[nodiscard]] auto submit_now(message_ptr& content, std::int32_t partition,
                                  receipt& where) noexcept -> bool {
        transport* to = to_.load(std::memory_order_acquire);
        return to != nullptr && to->publish_now(content, partition, where);
    }
    /// Hands the node to the transport. `done`: `ec` and `where` are set, and the caller still owns
    /// it; `pending`: `attach` says who is told.
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

    /// Tells `who` when it ends. False: it already did, or was answered, and the caller collects.
    [[nodiscard]] auto attach(publish_op& op, publish_op::waiter& who) noexcept -> bool {
        const std::lock_guard lock(guard_);
        if (op.finished || op.early != nullptr) {
            return false;
        }
        op.waiting = &who;
        return true;
    }
    /// What became of one that `attach` refused. The node goes back.
    [[nodiscard]] auto collect(publish_op& op, receipt& where) noexcept -> std::error_code {
        message_ptr content;
        const std::lock_guard lock(guard_);
        publish_op& told = op.early != nullptr ? *op.early : op;
        const std::error_code ec = told.ec;
        where = std::move(told.where);
        if (&told != &op) {
            reuse(told);
            op.early = nullptr;
        }
        if (op.finished || &told == &op) {
            content = std::move(op.content);
            reuse(op);
        } else {
            op.abandoned = true; // the transport still has it
        }
        return ec;
    }
    /// From now on `expire` ends it at its deadline.
    void watch(publish_op& op, std::uint64_t generation,
               std::chrono::steady_clock::time_point deadline) {
        {
            const std::lock_guard lock(guard_);
            if (op.generation != generation || op.waiting == nullptr) {
                return; // it has ended meanwhile, or its publisher was told
            }
            deadlines_.add(op, deadline);
        }
        wake_(who_);
    }
    [[nodiscard]] auto next_deadline() const noexcept { return deadlines_.soonest(); }
    /// Ends what is past its deadline: `tell(waiter, ec, receipt)`. Home only.
    template <class Tell> void expire(std::chrono::steady_clock::time_point now, Tell tell) {
        while (next_deadline() <= now) {
            publish_op* due = nullptr;
            std::uint64_t generation = 0;
            {
                const std::lock_guard lock(guard_);
                due = deadlines_.first();
                if (due == nullptr) {
                    return; // it has just ended
                }
                generation = due->generation;
                deadlines_.remove(*due);
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
                if (who != nullptr || (each->abandoned && !each->cancelling)) {
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
    enum class stage : unsigned char { before, expecting, connected, over };

    [[nodiscard]] auto take_waiters() -> std::vector<std::pair<publish_op::waiter*, publish_op*>> {
        std::vector<std::pair<publish_op::waiter*, publish_op*>> all;
        const std::lock_guard lock(guard_);
        nodes_.each([&all](publish_op& op) {
            if (op.waiting != nullptr) {
                all.emplace_back(std::exchange(op.waiting, nullptr), &op);
                op.abandoned = true;
            }
        });
        return all;
    }

    /// Tells who waits for what the transport keeps. `deliver` gives it back when that ends.
    [[nodiscard]] auto answer_early(publish_op& op, early_answer&& what) noexcept -> bool {
        publish_op* told = nullptr;
        try {
            told = make();
        } catch (...) { // no memory
            return false;
        }
        told->ec = what.ec;
        told->where = std::move(what.where);
        {
            const std::lock_guard lock(guard_);
            deadlines_.remove(op);
            told->waiting = std::exchange(op.waiting, nullptr);
            if (told->waiting == nullptr && !op.abandoned) {
                op.early = told; // the submitter is about to look
                return true;
            }
            op.abandoned = true;
            told->abandoned = told->waiting == nullptr;
        }
        finish(*told);
        return true;
    }
    void reuse(publish_op& op) noexcept {
        deadlines_.remove(op);
        nodes_.put(op);
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
        op.answered = [](publish_node& node, early_answer&& what) noexcept {
            auto& self = static_cast<publish_op&>(node);
            return self.owner->answer_early(self, std::move(what));
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
    publish_pool<publish_op> nodes_{*this};
    publish_deadlines deadlines_;
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
