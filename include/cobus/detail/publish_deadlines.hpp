#pragma once

#include "publish_op.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <utility>

namespace cobus::detail {

/// The publishes that end at a time if they have not before. Whoever uses it locks, but for
/// `soonest`.
class publish_deadlines {
public:
    using time_point = std::chrono::steady_clock::time_point;

    void add(publish_op& op, time_point deadline) {
        op.watched = all_.emplace(deadline, &op);
        note();
    }
    void remove(publish_op& op) noexcept {
        if (op.watched) {
            all_.erase(*std::exchange(op.watched, std::nullopt));
            note();
        }
    }
    /// The next that ends, or null.
    [[nodiscard]] auto first() const noexcept -> publish_op* {
        return all_.empty() ? nullptr : all_.begin()->second;
    }
    [[nodiscard]] auto soonest() const noexcept -> time_point {
        return soonest_.load(std::memory_order_relaxed);
    }

private:
    static constexpr auto never = (time_point::max)();

    void note() noexcept {
        soonest_.store(all_.empty() ? never : all_.begin()->first, std::memory_order_relaxed);
    }

    deadline_map all_;
    /// Who adds one wakes the home afterwards, so that it sees it.
    std::atomic<time_point> soonest_{never};
};

} // namespace cobus::detail
