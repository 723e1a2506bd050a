#pragma once

#include "../transport/transport.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <unordered_map>
#include <vector>

namespace cobus::degrade {

/// Some routes; −1 stands for a whole topic.
class route_set {
public:
    [[nodiscard]] auto empty() const noexcept -> bool { return all_.empty(); }
    /// A message whose partition is not known (−1) may go to any of the topic's.
    [[nodiscard]] auto contains(const std::string* topic, std::int32_t partition) const noexcept
        -> bool {
        const auto found = all_.find(topic);
        if (found == all_.end()) {
            return false;
        }
        return partition < 0 || has(found->second, -1) || has(found->second, partition);
    }
    [[nodiscard]] auto contains(const topic_partition& where) const noexcept -> bool {
        return contains(where.topic, where.partition);
    }
    void add(const topic_partition& where) {
        std::vector<std::int32_t>& some = all_[where.topic];
        if (!has(some, where.partition)) {
            some.insert(std::ranges::lower_bound(some, where.partition), where.partition);
        }
    }
    void remove(const topic_partition& where) noexcept {
        const auto found = all_.find(where.topic);
        if (found != all_.end()) {
            std::erase(found->second, where.partition);
            if (found->second.empty()) {
                all_.erase(found);
            }
        }
    }
    /// Those for which `done` is true.
    template <class Predicate>
    void remove_if(Predicate done) {
        for (auto topic = all_.begin(); topic != all_.end();) {
            std::vector<std::int32_t>& some = topic->second;
            for (auto each = some.begin(); each != some.end();) { // one by one: `done` may throw
                each =
                    done(topic_partition{topic->first, *each}) ? some.erase(each) : std::next(each);
            }
            topic = some.empty() ? all_.erase(topic) : std::next(topic);
        }
    }
    /// A partition of the topic that is not among them, another for each turn; −1: there is none.
    [[nodiscard]] auto other(const std::string* topic, std::size_t partitions,
                             std::size_t turn) const noexcept -> std::int32_t {
        for (std::size_t i = 0; i < partitions; ++i) {
            const auto partition = static_cast<std::int32_t>((turn + i) % partitions);
            if (!contains(topic, partition)) {
                return partition;
            }
        }
        return -1;
    }

private:
    [[nodiscard]] static auto has(const std::vector<std::int32_t>& some,
                                  std::int32_t partition) noexcept -> bool {
        return std::ranges::binary_search(some, partition);
    }

    std::unordered_map<const std::string*, std::vector<std::int32_t>> all_;
};

} // namespace cobus::degrade
