#pragma once

#include "../../degrade/line.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

namespace cobus::detail {

/// All lines, and what they hold. Whoever uses it locks; it calls nobody.
class failover_lines {
public:
    using line = degrade::line;
    using carried = degrade::carried;
    using place = degrade::place;

    failover_lines(std::size_t messages, std::size_t bytes)
        : max_messages_(messages), max_bytes_(bytes) {}

    [[nodiscard]] auto find(const topic_partition& where, policy when_away) -> line& {
        line*& found = index_[name{where, when_away}];
        if (found == nullptr) {
            found = &lines_.emplace_back(when_away, where);
        }
        return *found;
    }
    /// The same if it is there, or null.
    [[nodiscard]] auto look(const topic_partition& where, policy when_away) const -> const line* {
        const auto found = index_.find(name{where, when_away});
        return found != index_.end() ? found->second : nullptr;
    }
    /// Above those of all that came.
    [[nodiscard]] auto next_sequence() const noexcept -> std::uint64_t { return next_sequence_; }
    [[nodiscard]] auto size() const noexcept -> std::size_t { return lines_.size(); }
    [[nodiscard]] auto at(std::size_t index) noexcept -> line& { return lines_[index]; }

    /// Whether one more that waits here would be too much.
    [[nodiscard]] auto full(std::size_t bytes) const noexcept -> bool {
        return waiting_ >= max_messages_ || waiting_bytes_ + bytes > max_bytes_;
    }
    [[nodiscard]] auto waiting() const noexcept -> std::size_t { return waiting_; }
    [[nodiscard]] auto waiting_bytes() const noexcept -> std::size_t { return waiting_bytes_; }

    /// Takes a publisher's node over. The caller sets `owner` and `completed` of a new one.
    [[nodiscard]] auto take(publish_node& node, std::size_t bytes) -> carried& {
        if (free_ == nullptr) {
            free_ = &all_.emplace_back();
        }
        carried& item = *std::exchange(free_, free_->behind);
        item.behind = nullptr;
        item.stand_for(node);
        item.bytes = bytes;
        return item;
    }
    /// As `stand_in::of`.
    [[nodiscard]] static auto holder(publish_node& node) noexcept -> carried* {
        return static_cast<carried*>(degrade::stand_in::of(node));
    }

    void enter(line& into, carried& item, place where) noexcept {
        item.of = &into;
        item.sequence = next_sequence_++;
        into.enter(item, where);
        count(item, where, true);
    }
    void move(carried& item, place where) noexcept {
        count(item, item.where_now, false);
        item.of->move(item, where);
        count(item, where, true);
        item.again();
    }
    /// The node with all that is known of it back to its publisher.
    auto give_up(carried& item) noexcept -> publish_node& {
        count(item, item.where_now, false);
        item.of->leave(item);
        item.where_now = place::nowhere;
        publish_node& node = item.hand_back();
        recycle(item);
        return node;
    }
    /// The node alone: Kafka's client still has the event.
    [[nodiscard]] auto part(carried& item) noexcept -> publish_node& {
        item.of->leave(item);
        item.where_now = place::parted;
        item.beside = nullptr;
        return item.let_go();
    }
    /// The client has a parted one no longer. Its content is to be destroyed without the lock.
    [[nodiscard]] auto end(carried& item) noexcept -> message_ptr {
        item.where_now = place::nowhere;
        message_ptr content = std::move(item.content);
        recycle(item);
        return content;
    }

    static void pin(carried& item) noexcept { ++item.pins; }
    void unpin(carried& item) noexcept {
        if (--item.pins == 0 && item.where_now == place::nowhere) {
            recycle(item);
        }
    }

private:
    struct name {
        topic_partition where;
        policy when_away;
        friend auto operator==(const name&, const name&) -> bool = default;
    };
    struct name_hash {
        auto operator()(const name& each) const noexcept -> std::size_t {
            constexpr std::size_t policies = 8;
            return std::hash<const void*>()(each.where.topic) ^
                   (static_cast<std::size_t>(each.where.partition + 1) * policies +
                    static_cast<std::size_t>(each.when_away));
        }
    };

    void count(const carried& item, place where, bool more) noexcept {
        if (where == place::held || where == place::returned) {
            waiting_ = more ? waiting_ + 1 : waiting_ - 1;
            waiting_bytes_ = more ? waiting_bytes_ + item.bytes : waiting_bytes_ - item.bytes;
        }
    }
    void recycle(carried& item) noexcept {
        if (item.pins > 0) {
            return;
        }
        item.forget();
        item.before = nullptr;
        item.free = false;
        item.until = (std::chrono::steady_clock::time_point::max)();
        item.behind = std::exchange(free_, &item);
    }

    std::size_t max_messages_;
    std::size_t max_bytes_;
    std::size_t waiting_ = 0;
    std::size_t waiting_bytes_ = 0;
    std::uint64_t next_sequence_ = 0;
    std::unordered_map<name, line*, name_hash> index_;
    std::deque<line> lines_;
    std::deque<carried> all_;
    carried* free_ = nullptr;
};

} // namespace cobus::detail
