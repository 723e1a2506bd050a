#pragma once

#include "target.hpp"

#include <cobus/settings.hpp>

#include <shared/kafka_client.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace offsets {

/// Where a group stands in a partition.
struct position {
    std::string topic;
    std::int32_t partition = 0;
    std::optional<std::int64_t> committed = std::nullopt; ///< the next that it handles
    std::int64_t begin = 0, end = 0;
    std::int64_t to = 0; ///< where it is to go on
};

/// A consumer group as others see it: this program never joins it. Blocking. Throws
/// `std::runtime_error` when Kafka refuses something, does not answer within 30 s, or knows no such
/// group.
class group {
public:
    group(const cobus::settings& how, const std::string& name);

    [[nodiscard]] auto name() const noexcept -> const std::string& { return name_; }
    /// How many members it has.
    [[nodiscard]] auto members() const -> std::size_t;
    /// The topics where it has committed something.
    [[nodiscard]] auto topics() const -> std::vector<std::string>;
    /// Where it stands in all partitions of a topic.
    [[nodiscard]] auto positions(const std::string& topic) const -> std::vector<position>;
    /// Fills in `to`.
    void aim(std::vector<position>& all, const target& at) const;
    /// The group goes on at `to` in each. Kafka takes that only while it has no members.
    void commit(const std::vector<position>& all) const;

    [[nodiscard]] auto client() const noexcept -> rd_kafka_t* { return client_.get(); }

private:
    std::string name_;
    tools::client_ptr client_;
};

/// Why nothing is committed for a group that has members.
[[nodiscard]] auto members_text(const std::string& group) -> std::string;

} // namespace offsets
