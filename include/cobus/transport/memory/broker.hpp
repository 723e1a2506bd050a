#pragma once

#include "../../detail/intern.hpp"
#include "group.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace cobus {

namespace detail {
class memory_line_end;
class memory_stream;
class memory_transport;
} // namespace detail

/// Topics and consumer groups in memory, as a Kafka cluster has them. Buses that shall meet in one
/// process share one; each other bus has one of its own. Lives as long as whoever uses it.
///
/// Thread safety: all calls from any thread.
class memory_broker {
public:
    /// What becomes of a message that every group has handled.
    enum class history : unsigned char {
        keep, ///< it stays, up to the retention, so that a group that comes later reads it
        drop, ///< it goes at once: the least memory, and the fastest
    };

    memory_broker() = default;
    explicit memory_broker(history handled) noexcept : handled_(handled) {}
    memory_broker(const memory_broker&) = delete;
    auto operator=(const memory_broker&) -> memory_broker& = delete;
    ~memory_broker() = default;

    /// What a group has committed; offset −1 when it has not, or when there is no such partition.
    [[nodiscard]] auto committed(std::string_view group, std::string_view topic,
                                 std::int32_t partition) const -> position {
        const std::lock_guard lock(guard_);
        detail::memory_partition* in = find(topic, partition);
        const auto found = groups_.find(group);
        if (in == nullptr || found == groups_.end()) {
            return {{detail::intern(topic), partition}, -1, {}};
        }
        return in->committed(found->second.get());
    }
    /// The offset that the next message gets; 0 when there is no such partition.
    [[nodiscard]] auto end_offset(std::string_view topic, std::int32_t partition) const
        -> std::int64_t {
        const std::lock_guard lock(guard_);
        const detail::memory_partition* in = find(topic, partition);
        return in != nullptr ? in->end() : 0;
    }
    /// The oldest offset that is still kept.
    [[nodiscard]] auto first_offset(std::string_view topic, std::int32_t partition) const
        -> std::int64_t {
        const std::lock_guard lock(guard_);
        detail::memory_partition* in = find(topic, partition);
        return in != nullptr ? in->first() : 0;
    }
    /// How many streams a group has.
    [[nodiscard]] auto members(std::string_view group) const -> std::size_t {
        const std::lock_guard lock(guard_);
        const auto found = groups_.find(group);
        return found != groups_.end() ? found->second->members().size() : 0;
    }

private:
    friend class detail::memory_line_end;
    friend class detail::memory_stream;
    friend class detail::memory_transport;

    [[nodiscard]] auto find(std::string_view topic, std::int32_t partition) const
        -> detail::memory_partition* {
        detail::memory_topic* found = topics_.find(detail::intern(topic));
        if (found == nullptr || partition < 0 ||
            static_cast<std::size_t>(partition) >= found->size()) {
            return nullptr;
        }
        return &(*found)[static_cast<std::size_t>(partition)];
    }
    /// The topic, made at its first use. May throw `std::bad_alloc`.
    [[nodiscard]] auto topic(const std::string* name, const transport_options& how)
        -> detail::memory_topic& {
        const std::lock_guard lock(guard_);
        return topic_locked(name, how);
    }
    [[nodiscard]] auto topic_locked(const std::string* name, const transport_options& how)
        -> detail::memory_topic& {
        if (detail::memory_topic* found = topics_.find(name)) {
            return *found;
        }
        const auto at_least_one = [](std::size_t value) {
            return static_cast<std::int64_t>((std::max<std::size_t>)(value, 1));
        };
        detail::memory_limits limits;
        limits.retention = at_least_one(how.retention_messages);
        limits.lag = (std::min)(limits.retention, at_least_one(how.queue_messages));
        limits.lean = handled_ == history::drop;
        return topics_.add(std::make_unique<detail::memory_topic>(
            name, static_cast<std::size_t>(at_least_one(how.partitions)), limits));
    }
    [[nodiscard]] auto group(const std::string& name) -> detail::memory_group& {
        const std::lock_guard lock(guard_);
        std::unique_ptr<detail::memory_group>& found = groups_[name];
        if (!found) {
            found = std::make_unique<detail::memory_group>();
            first_group_ = first_group_ != nullptr ? first_group_ : found.get();
        }
        return *found;
    }
    /// Visits all partitions, holding no lock meanwhile.
    template <class F>
    void each_partition(F visit) noexcept {
        for (std::size_t i = 0; detail::memory_topic* topic = topic_at(i); ++i) {
            for (std::size_t j = 0; j < topic->size(); ++j) {
                visit((*topic)[j]);
            }
        }
    }
    [[nodiscard]] auto topic_at(std::size_t index) noexcept -> detail::memory_topic* {
        const std::lock_guard lock(guard_);
        const auto& all = topics_.all();
        return index < all.size() ? all[index].get() : nullptr;
    }

    /// Wakes members and lets publishers in after a rebalance, holding no lock meanwhile.
    void serve(detail::memory_group& group) noexcept {
        while (detail::wake_gate* gate = next_to_wake(group)) {
            gate->fire();
        }
        topic_partition after;
        while (detail::memory_partition* partition = next_to_tidy(group, after)) {
            partition->tidy();
        }
    }
    [[nodiscard]] auto next_to_wake(detail::memory_group& group) noexcept -> detail::wake_gate* {
        const std::lock_guard lock(guard_);
        for (detail::memory_member* each : group.members()) {
            if (std::exchange(each->to_wake, false) && each->gate.claim()) {
                return &each->gate;
            }
        }
        return nullptr;
    }
    [[nodiscard]] auto next_to_tidy(detail::memory_group& group, topic_partition& after) noexcept
        -> detail::memory_partition* {
        const std::lock_guard lock(guard_);
        auto& shares = group.shares();
        for (auto each = shares.upper_bound(after); each != shares.end(); ++each) {
            if (std::exchange(each->second.to_tidy, false)) {
                after = each->first;
                return each->second.partition;
            }
        }
        return nullptr;
    }

    history handled_ = history::keep;
    mutable std::mutex guard_;
    detail::memory_topics topics_;
    std::map<std::string, std::unique_ptr<detail::memory_group>, std::less<>> groups_;
    /// It reads the messages themselves; others read borrowed ones.
    const detail::memory_group* first_group_ = nullptr;
};

} // namespace cobus
