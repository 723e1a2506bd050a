#pragma once

#include "../../detail/pool.hpp"
#include "../transport.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace cobus::detail {

/// How many of one transport's publishes are in line; the last to leave ends its `stop`.
class memory_account {
public:
    /// False: `stop` has begun.
    [[nodiscard]] auto enter() noexcept -> bool {
        waiting_.fetch_add(1, std::memory_order_seq_cst);
        if (shut_.load(std::memory_order_seq_cst)) {
            leave();
            return false;
        }
        return true;
    }
    void leave() noexcept {
        if (waiting_.fetch_sub(1, std::memory_order_seq_cst) == 1) {
            finish();
        }
    }
    [[nodiscard]] auto idle() const noexcept -> bool {
        return waiting_.load(std::memory_order_seq_cst) == 0;
    }
    /// Nothing enters any more.
    void shut() noexcept { shut_.store(true, std::memory_order_seq_cst); }
    [[nodiscard]] auto is_shut() const noexcept -> bool {
        return shut_.load(std::memory_order_relaxed);
    }
    /// `done` is completed as soon as nothing is in line. `shut` comes first.
    void close(operation& done) noexcept {
        stopping_.store(&done, std::memory_order_seq_cst);
        finish();
    }

private:
    void finish() noexcept {
        if (idle()) {
            if (operation* done = stopping_.exchange(nullptr, std::memory_order_seq_cst)) {
                done->completed(*done);
            }
        }
    }

    std::atomic<bool> shut_{false};
    std::atomic<std::size_t> waiting_{0};
    std::atomic<operation*> stopping_{nullptr};
};

/// A suspended publish, and whose it is.
struct memory_waiter {
    publish_node* node;
    std::shared_ptr<memory_account> owner;
    memory_waiter* previous = nullptr;
    memory_waiter* next = nullptr;

    /// Tells each of a list, linked by `next`, and frees it.
    static void complete(memory_waiter* list) noexcept {
        while (list != nullptr) {
            memory_waiter* each = std::exchange(list, list->next);
            each->node->completed(*each->node);
            each->owner->leave();
            pool_delete(each);
        }
    }
};

/// The suspended publishes of one partition, first come first served. The partition's lock guards
/// it. While a node is in line, its `next` leads to its place.
class memory_line {
public:
    memory_line() = default;
    memory_line(const memory_line&) = delete;
    auto operator=(const memory_line&) -> memory_line& = delete;
    ~memory_line() {
        while (first_ != nullptr) {
            drop(pop());
        }
    }

    /// For an owner that has entered. May throw `std::bad_alloc`.
    void push(publish_node& node, const std::shared_ptr<memory_account>& owner) {
        auto* made = pool_new<memory_waiter>(memory_waiter{&node, owner, last_, nullptr});
        (last_ != nullptr ? last_->next : first_) = made;
        last_ = made;
        node.next = reinterpret_cast<publish_node*>(made); // NOLINT: a place to keep it
    }
    [[nodiscard]] auto empty() const noexcept -> bool { return first_ == nullptr; }
    /// The first of the line, out of it.
    [[nodiscard]] auto pop() noexcept -> memory_waiter* {
        memory_waiter* taken = first_;
        unlink(*taken);
        return taken;
    }
    /// Null when it is not in line any more.
    [[nodiscard]] auto remove(publish_node& node) noexcept -> memory_waiter* {
        auto* found = reinterpret_cast<memory_waiter*>(node.next); // NOLINT: as above
        if (found != nullptr) {
            unlink(*found);
        }
        return found;
    }
    /// Takes out all of an owner's, linked by `next`, in order.
    [[nodiscard]] auto remove_all(const memory_account& owner) noexcept -> memory_waiter* {
        memory_waiter* list = nullptr;
        memory_waiter** end = &list;
        for (memory_waiter* each = first_; each != nullptr;) {
            memory_waiter* current = std::exchange(each, each->next);
            if (current->owner.get() == &owner) {
                unlink(*current);
                *end = current;
                end = &current->next;
            }
        }
        *end = nullptr;
        return list;
    }
    /// Frees one that was taken out and is not to be completed.
    static void drop(memory_waiter* item) noexcept {
        item->owner->leave();
        pool_delete(item);
    }

private:
    void unlink(memory_waiter& item) noexcept {
        (item.previous != nullptr ? item.previous->next : first_) = item.next;
        (item.next != nullptr ? item.next->previous : last_) = item.previous;
        item.node->next = nullptr;
    }

    memory_waiter* first_ = nullptr;
    memory_waiter* last_ = nullptr;
};

} // namespace cobus::detail
