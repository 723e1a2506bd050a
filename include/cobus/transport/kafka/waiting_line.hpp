#pragma once

#include "../transport.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

namespace cobus::detail::kafka {

/// Publishers that wait for room, first come first served. Uses a node's `next` and `scratch`,
/// which is zero while the node is not in line.
class waiting_line {
public:
    /// Without a lock: a thread sees what it put in line itself.
    [[nodiscard]] auto empty() const noexcept -> bool {
        return size_.load(std::memory_order_acquire) == 0;
    }
    void push(publish_node& node) noexcept {
        const std::lock_guard lock(guard_);
        node.next = nullptr;
        node.scratch = last_ != nullptr ? reinterpret_cast<std::uintptr_t>(last_) : first_mark;
        (last_ != nullptr ? last_->next : first_) = &node;
        last_ = &node;
        size_.fetch_add(1, std::memory_order_release);
    }
    [[nodiscard]] auto remove(publish_node& node) noexcept -> bool {
        const std::lock_guard lock(guard_);
        if (node.scratch == 0) {
            return false;
        }
        unlink(node);
        return true;
    }
    /// Offers the first in line to `accept` until it refuses one: true means taken. The one on
    /// offer cannot be removed, and nobody overtakes it. `finished(node)` is told outside of the
    /// lock.
    template <class Accept, class Finished>
    void serve(Accept accept, Finished finished) noexcept {
        for (;;) {
            publish_node* done = nullptr;
            {
                const std::lock_guard lock(guard_);
                publish_node* node = first_;
                if (node == nullptr) {
                    return;
                }
                node->scratch = 0; // accepting may hand it on to another thread
                publish_node* next = node->next;
                const taken what = accept(*node);
                if (what == taken::full) {
                    node->scratch = first_mark;
                    return;
                }
                drop_first(next);
                done = what == taken::done ? node : nullptr;
            }
            if (done != nullptr) {
                finished(*done);
            }
        }
    }

private:
    static constexpr std::uintptr_t first_mark = 1;

    void drop_first(publish_node* next) noexcept {
        first_ = next;
        if (next != nullptr) {
            next->scratch = first_mark;
        } else {
            last_ = nullptr;
        }
        size_.fetch_sub(1, std::memory_order_release);
    }
    void unlink(publish_node& node) noexcept {
        auto* before =
            node.scratch == first_mark ? nullptr : reinterpret_cast<publish_node*>(node.scratch);
        (before != nullptr ? before->next : first_) = node.next;
        if (node.next != nullptr) {
            node.next->scratch = node.scratch;
        } else {
            last_ = before;
        }
        node.scratch = 0;
        size_.fetch_sub(1, std::memory_order_release);
    }

    std::mutex guard_;
    publish_node* first_ = nullptr;
    publish_node* last_ = nullptr;
    std::atomic<std::size_t> size_{0};
};

} // namespace cobus::detail::kafka
