#pragma once

#include <cobus/headers.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace dead_letters {

/// Where a message lies.
struct place {
    std::string topic;
    std::int32_t partition = 0;
    std::int64_t offset = 0;

    [[nodiscard]] auto text() const -> std::string {
        return topic + "/" + std::to_string(partition) + "/" + std::to_string(offset);
    }
    friend auto operator==(const place&, const place&) -> bool = default;
    friend auto operator<(const place& a, const place& b) -> bool {
        return std::tie(a.topic, a.partition, a.offset) < std::tie(b.topic, b.partition, b.offset);
    }
};

/// "orders/0/12", or nothing.
[[nodiscard]] auto read_place(std::string_view text) -> std::optional<place>;

/// A message as it lies in a topic.
struct letter {
    place where;
    std::int64_t timestamp = 0; ///< milliseconds since 1970
    std::optional<std::string> key;
    std::optional<std::string> payload;
    cobus::headers headers;

    /// One of the headers that cobus adds to a dead letter; empty when it is missing.
    [[nodiscard]] auto said(std::string_view what) const -> std::string_view {
        return headers.get("cobus-dlq-" + std::string(what)).value_or(std::string_view());
    }
    /// Whether its payload was too large to be kept.
    [[nodiscard]] auto is_pointer() const -> bool { return !said("fnv1a").empty(); }
    /// Where the message failed; nothing when the headers do not say.
    [[nodiscard]] auto origin() const -> std::optional<place>;
    /// When it failed, or else was written: ISO 8601 in UTC.
    [[nodiscard]] auto time() const -> std::string;
};

/// Which letters a command is about; empty means any.
struct filter {
    std::string type, handler, group, error; ///< `error`: part of the reason
    std::string since, until;                ///< ISO 8601 in UTC without `Z`, compared as text
    std::string at;                          ///< one place

    [[nodiscard]] auto takes(const letter& one) const -> bool;
};

} // namespace dead_letters
