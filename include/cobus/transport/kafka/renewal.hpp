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
/// as well and sent nothing, because then it is no accident. Pure.
class renewal_limit {
public:
    using clock = std::chrono::steady_clock;

    /// Kafka has something of this client.
    void worked() noexcept { worked_ = true; }
    /// Counts this failure.
    [[nodiscard]] auto may_renew(clock::time_point now) noexcept -> bool {
        if (std::exchange(worked_, false)) {
            failed_.fill({});
        }
        std::ranges::rotate(failed_, failed_.begin() + 1);
        const clock::time_point oldest = std::exchange(failed_.back(), now);
        return oldest == clock::time_point() || now - oldest > window;
    }

private:
    static constexpr std::size_t tries = 3;
    static constexpr std::chrono::minutes window{1};

    std::array<clock::time_point, tries> failed_{};
    bool worked_ = false;
};

/// Whether another client should send what this one gives back. What may be in the log would come
/// twice, with the same id: that is better than never only for events that are to reach Kafka by
/// all means.
[[nodiscard]] inline auto goes_again(rd_kafka_resp_err_t code, rd_kafka_msg_status_t status,
                                     policy when_away) noexcept -> bool {
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || classify(code) == condition::permanent) {
        return false;
    }
    return status == RD_KAFKA_MSG_STATUS_NOT_PERSISTED ||
           (when_away != policy::deliver && when_away != policy::fail);
}

/// Nodes that go to the next client.
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
    /// In the order in which the failed client got them: it gives back what waited there first, and
    /// then what was under way, which is older.
    void sort() noexcept {
        first_ = sorted(first_);
        last_ = first_;
        while (last_ != nullptr && last_->next != nullptr) {
            last_ = last_->next;
        }
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
    /// Merge sort, which needs no memory.
    [[nodiscard]] static auto sorted(publish_node* all) noexcept -> publish_node* {
        if (all == nullptr || all->next == nullptr) {
            return all;
        }
        publish_node* middle = all;
        for (publish_node* end = all->next; end != nullptr && end->next != nullptr;
             end = end->next->next) {
            middle = middle->next;
        }
        publish_node* const half = std::exchange(middle->next, nullptr);
        return merged(sorted(all), sorted(half));
    }
    [[nodiscard]] static auto merged(publish_node* one, publish_node* other) noexcept
        -> publish_node* {
        publish_node* first = nullptr;
        publish_node** at = &first;
        while (one != nullptr && other != nullptr) {
            publish_node*& least = other->turn < one->turn ? other : one;
            *at = least;
            at = &least->next;
            least = *at;
        }
        *at = one != nullptr ? one : other;
        return first;
    }

    publish_node* first_ = nullptr;
    publish_node* last_ = nullptr;
};

} // namespace cobus::detail::kafka
