#pragma once

#include "../../degrade/route_set.hpp"
#include "../transport.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cobus::detail {

/// Which routes are closed, and which way that leaves an event. Whoever uses it locks.
class closed_doors {
public:
    /// `kafka` is only asked for partitions, which calls nobody.
    explicit closed_doors(const transport& kafka) noexcept : kafka_(&kafka) {}

    /// Its partition, if that is known before Kafka's client chooses one.
    [[nodiscard]] auto partition(const publish_node& node) const noexcept -> std::int32_t {
        return kafka_->partition_for(*node.content, node.partition);
    }
    /// Nothing goes to Kafka on its route for now.
    [[nodiscard]] auto away(const publish_node& node) const noexcept -> bool {
        return !closed.empty() && closed.contains(node.content->interned_topic(), partition(node));
    }
    /// One whose partition does not matter, of lane 0, goes where it may. False: it has to wait.
    [[nodiscard]] auto finds_way(publish_node& item, std::uint64_t lane) noexcept -> bool {
        if (!away(item)) {
            return true;
        }
        if (lane != 0) {
            return false;
        }
        const std::string* topic = item.content->interned_topic();
        item.partition = closed.other(topic, kafka_->partitions_of(topic), ++turn_);
        item.moved = item.partition >= 0;
        return item.moved;
    }
    /// The same, and there is none at the moment.
    [[nodiscard]] auto no_way(const publish_node& node, std::uint64_t lane) const noexcept -> bool {
        const std::string* topic = node.content->interned_topic();
        return away(node) &&
               (lane != 0 || closed.other(topic, kafka_->partitions_of(topic), 0) < 0);
    }
    /// Kafka has it.
    void acknowledged(const publish_node& item) {
        if (closed.empty() || item.content == nullptr) {
            return;
        }
        const topic_partition at{item.content->interned_topic(), item.where.partition()};
        if (closed.contains(at) && (answered.empty() || answered.back() != at)) {
            answered.push_back(at);
        }
    }
    [[nodiscard]] auto any() const noexcept -> bool { return !closed.empty(); }

    degrade::route_set closed;
    std::vector<topic_partition> answered; ///< of those: Kafka has something new
    bool some_pass = false;                ///< something of a closed route may pass through yet

private:
    const transport* kafka_;
    std::size_t turn_ = 0; ///< of those whose partition does not matter
};

} // namespace cobus::detail
