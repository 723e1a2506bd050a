#pragma once

#include "failover_bench.hpp"

#include <cobus/detail/murmur2.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cobus::testing {

/// The first key after `from` that lands in that one of three partitions.
[[nodiscard]] inline auto key_in(std::int32_t partition, int from = 0) -> std::string {
    for (;; ++from) {
        std::string key = "k" + std::to_string(from);
        if (detail::partition_of(key, 3) == static_cast<std::uint32_t>(partition)) {
            return key;
        }
    }
}

/// Three partitions on three brokers, of which those of `partitions_away` are frozen.
struct route_bench : failover_bench {
    explicit route_bench(transport_options with = {}) : failover_bench(std::move(with)) {
        kafka->partitions = 3;
        kafka->on_publish = [this](publish_node& node) {
            to_kafka.push_back(payload(node));
            on_the_way.push_back(&node);
        };
    }
    auto keep(std::string text, std::int32_t partition, policy how = policy::deliver_and_spool)
        -> sent& {
        return publish(std::move(text), how, true, "t", key_in(partition));
    }
    /// As long as it takes until a gate closes, and what that costs.
    void freeze(std::int32_t partition) { kafka->partitions_away.insert(partition); }
    void thaw(std::int32_t partition) { kafka->partitions_away.erase(partition); }

    /// Kafka's client hears of what is with brokers that answer.
    void answer_live() {
        for (std::size_t i = 0; i < on_the_way.size();) {
            publish_node* const node = on_the_way[i];
            const std::int32_t partition = kafka->partition_for(*node->content, node->partition);
            if (kafka->partitions_away.contains(partition) || lingering.contains(payload(*node))) {
                ++i;
                continue;
            }
            on_the_way.erase(on_the_way.begin() + static_cast<std::ptrdiff_t>(i));
            node->where.position(partition, next_offset++);
            (void)kafka->answer_at(i);
        }
        time.settle();
    }
    /// Time passes in which brokers answer.
    void pass(std::chrono::milliseconds length) {
        constexpr std::chrono::milliseconds step(100);
        for (auto rest = length; rest.count() > 0; rest -= step) {
            answer_live();
            time.pass((std::min)(rest, step));
        }
        answer_live();
    }

    std::vector<publish_node*> on_the_way;
    std::set<std::string> lingering; ///< of which the client does not hear, broker or not
    std::int64_t next_offset = 0;
};

} // namespace cobus::testing
