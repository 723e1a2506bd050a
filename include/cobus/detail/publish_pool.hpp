#pragma once

#include "publish_op.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

namespace cobus::detail {

/// The nodes of a bus. Whoever uses it locks. A template, because who knows how a node hears of its
/// handlers, which each needs, is `publisher`.
template <class Op> class publish_pool {
public:
    explicit publish_pool(publisher& owner) noexcept : owner_(&owner) {}

    /// May throw `std::bad_alloc`.
    [[nodiscard]] auto take() -> Op* {
        if (free_ == nullptr) {
            grow();
        }
        return std::exchange(free_, free_->free_next);
    }
    /// Makes it as new. Its content went before: users' destructors run without the lock.
    void put(Op& op) noexcept {
        op.where = receipt();
        op.ec.clear();
        op.problem.clear();
        op.partition = -1;
        op.moved = false;
        op.deadline = (std::chrono::steady_clock::time_point::max)();
        op.waiting = nullptr;
        op.early = nullptr;
        op.finished = op.abandoned = op.until_handled = op.cancelling = false;
        op.parts.store(1, std::memory_order_relaxed);
        op.call = 0;
        ++op.generation;
        op.free_next = std::exchange(free_, &op);
    }
    template <class Visit> void each(Visit visit) {
        for (const auto& some : chunks_) {
            for (Op& op : *some) {
                visit(op);
            }
        }
    }

private:
    using chunk = std::array<Op, 64>;

    void grow() {
        chunks_.push_back(std::make_unique<chunk>());
        for (Op& op : *chunks_.back()) {
            op.owner = owner_;
            op.free_next = std::exchange(free_, &op);
        }
    }

    publisher* owner_;
    Op* free_ = nullptr;
    std::vector<std::unique_ptr<chunk>> chunks_;
};

} // namespace cobus::detail
