#pragma once

#include "../transport.hpp"
#include "error.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <utility>

namespace cobus::detail::kafka {

/// Whether a client that failed for good is worth another one: not when the last ones failed soon
/// as well, because then it is no accident. Pure.
class renewal_limit {
public:
    using clock = std::chrono::steady_clock;

    /// Counts this failure.
    [[nodiscard]] auto may_renew(clock::time_point now) noexcept -> bool {
        std::ranges::rotate(failed_, failed_.begin() + 1);
        const clock::time_point oldest = std::exchange(failed_.back(), now);
        return oldest == clock::time_point() || now - oldest > window;
    }

private:
    static constexpr std::size_t tries = 3;
    static constexpr std::chrono::minutes window{1};

    std::array<clock::time_point, tries> failed_{};
};

/// Whether another client should send what this one gives back. What may be in the log would come
/// twice.
[[nodiscard]] inline auto goes_again(const rd_kafka_message_t& report) noexcept -> bool {
    return report.err != RD_KAFKA_RESP_ERR_NO_ERROR &&
           classify(report.err) != condition::permanent &&
           rd_kafka_message_status(&report) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
}

/// Nodes that the failed client certainly did not send, in the order of its reports, which is their
/// order in each partition.
class unsent {
public:
    [[nodiscard]] auto empty() const noexcept -> bool { return first_ == nullptr; }
    void push(publish_node& node) noexcept {
        node.next = nullptr;
        (last_ != nullptr ? last_->next : first_) = &node;
        last_ = &node;
    }
    [[nodiscard]] auto front() const noexcept -> publish_node& { return *first_; }
    /// `next` is the front's, as it was before the front was handed on.
    void drop_front(publish_node* next) noexcept {
        first_ = next;
        last_ = next != nullptr ? last_ : nullptr;
    }
    /// Takes all of the others and puts them in front.
    void put_before(unsent& others) noexcept {
        if (others.empty()) {
            return;
        }
        others.last_->next = first_;
        last_ = first_ != nullptr ? last_ : others.last_;
        first_ = std::exchange(others.first_, nullptr);
        others.last_ = nullptr;
    }
    template <class Each> void drain(Each each) noexcept {
        while (!empty()) {
            publish_node& node = front();
            drop_front(node.next);
            each(node);
        }
    }

private:
    publish_node* first_ = nullptr;
    publish_node* last_ = nullptr;
};

} // namespace cobus::detail::kafka
