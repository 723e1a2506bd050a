#pragma once

#include "publish_op.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

namespace cobus::detail {

/// The nodes of a bus. Whoever uses it locks.
class publish_pool {
public:
    explicit publish_pool(publisher& owner) noexcept : owner_(&owner) {}

    /// May throw `std::bad_alloc`.
    [[nodiscard]] auto take() -> publish_op* {
        if (free_ == nullptr) {
            grow();
        }
        return std::exchange(free_, free_->free_next);
    }
    /// Makes it as new. Its content went before: users' destructors run without the lock.
    void put(publish_op& op) noexcept {
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
            for (publish_op& op : *some) {
                visit(op);
            }
        }
    }

private:
    using chunk = std::array<publish_op, 64>;

    void grow() {
        chunks_.push_back(std::make_unique<chunk>());
        for (publish_op& op : *chunks_.back()) {
            op.owner = owner_;
            op.free_next = std::exchange(free_, &op);
        }
    }

    publisher* owner_;
    publish_op* free_ = nullptr;
    std::vector<std::unique_ptr<chunk>> chunks_;
};

} // namespace cobus::detail
