#pragma once

#include "message_id.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace cobus {

/// Which way a published event took.
enum class path : unsigned char {
    memory, ///< delivered in process
    kafka,  ///< acknowledged by Kafka
    spool,  ///< kept until Kafka is back
    other,  ///< a transport of the user's
};

[[nodiscard]] constexpr auto to_string(path value) noexcept -> std::string_view {
    switch (value) {
    case path::memory:
        return "memory";
    case path::kafka:
        return "kafka";
    case path::spool:
        return "spool";
    case path::other:
        return "other";
    }
    return "?";
}

/// Where a published event went. Owns nothing but an interned topic and its id, so it may outlive
/// the bus, and reading it allocates nothing.
class receipt {
public:
    receipt() = default;

    [[nodiscard]] auto id() const noexcept -> const message_id& { return id_; }
    [[nodiscard]] auto topic() const noexcept -> std::string_view {
        return topic_ != nullptr ? std::string_view(*topic_) : std::string_view();
    }
    /// −1 when unknown, as for an event that is only spooled.
    [[nodiscard]] auto partition() const noexcept -> std::int32_t { return partition_; }
    /// −1 when unknown.
    [[nodiscard]] auto offset() const noexcept -> std::int64_t { return offset_; }
    [[nodiscard]] auto timestamp() const noexcept -> time_point { return timestamp_; }
    [[nodiscard]] auto way() const noexcept -> path { return way_; }
    /// True when Kafka was enabled but away, and the event took the policy's way instead.
    [[nodiscard]] auto degraded() const noexcept -> bool { return degraded_; }
    /// True when the event waits in the spool to be sent to Kafka.
    [[nodiscard]] auto spooled() const noexcept -> bool { return way_ == path::spool; }
    /// True when the event survives this process: acknowledged by Kafka, or stored in a file.
    [[nodiscard]] auto durable() const noexcept -> bool { return durable_; }

    // Filled by transports.
    void id(message_id value) noexcept { id_ = std::move(value); }
    void topic(const std::string* interned) noexcept { topic_ = interned; }
    void position(std::int32_t partition, std::int64_t offset) noexcept {
        partition_ = partition;
        offset_ = offset;
    }
    void timestamp(time_point value) noexcept { timestamp_ = value; }
    void way(path value, bool durable) noexcept {
        way_ = value;
        durable_ = durable;
    }
    void degraded(bool value) noexcept { degraded_ = value; }

private:
    message_id id_;
    const std::string* topic_ = nullptr;
    time_point timestamp_{};
    std::int64_t offset_ = -1;
    std::int32_t partition_ = -1;
    path way_ = path::other;
    bool degraded_ = false;
    bool durable_ = false;
};

} // namespace cobus
