#pragma once

#include "../contract.hpp"
#include "../detail/intern.hpp"
#include "../detail/murmur2.hpp"
#include "../error.hpp"
#include "../headers.hpp"
#include "../message.hpp"

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cobus {

/// An event in the outbox, in the columns of its table.
struct outbox_row {
    std::int64_t sequence = 0;
    std::int64_t shard = 0; ///< of its key; one relay at a time has a shard
    std::string id;
    std::string source;
    std::string type;
    std::string topic;
    std::optional<std::string> key;
    std::int64_t partition = -1; ///< asked for, or −1: the key decides
    std::int64_t time = 0;       ///< milliseconds since 1970
    std::string wire;            ///< `binary`, `plain`, or empty: as the relay's settings say
    std::string headers;         ///< as `detail::write_headers` has them
    std::optional<std::string> payload;
};

namespace detail {

/// A fixed number, because every writer and every relay of a table must agree on it.
inline constexpr std::int64_t outbox_shards = 16;

/// Headers as one text: `length:name` and `=length:value`, or `!` for no value, each.
[[nodiscard]] inline auto write_headers(const headers& all) -> std::string {
    std::string text;
    for (const header& each : all) {
        text.append(std::to_string(each.name.size())).append(":").append(each.name);
        if (each.value) {
            text.append("=").append(std::to_string(each.value->size())).append(":");
            text.append(*each.value);
        } else {
            text.append("!");
        }
    }
    return text;
}

class headers_reader {
public:
    explicit headers_reader(std::string_view text) : left_(text) {}

    void run(headers& to) {
        while (!left_.empty()) {
            const std::string_view name = piece();
            const char mark = take(1).front();
            if (mark == '!') {
                to.add_null(name);
            } else if (mark == '=') {
                to.add(name, piece());
            } else {
                broken();
            }
        }
    }

private:
    [[noreturn]] static void broken() {
        throw error(errc::not_decodable, "the headers of a row in the outbox");
    }
    [[nodiscard]] auto take(std::size_t size) -> std::string_view {
        if (size > left_.size()) {
            broken();
        }
        const std::string_view taken = left_.substr(0, size);
        left_.remove_prefix(size);
        return taken;
    }
    [[nodiscard]] auto piece() -> std::string_view {
        std::size_t size = 0;
        const auto [end, problem] =
            std::from_chars(left_.data(), left_.data() + left_.size(), size);
        if (problem != std::errc()) {
            broken();
        }
        left_.remove_prefix(static_cast<std::size_t>(end - left_.data()));
        if (take(1) != ":") {
            broken();
        }
        return take(size);
    }

    std::string_view left_;
};

/// Rows without a key need no order, and are spread by their ids.
[[nodiscard]] inline auto outbox_shard(const outbox_row& of) -> std::int64_t {
    return static_cast<std::int64_t>(murmur2(of.key ? *of.key : of.id) %
                                     static_cast<std::uint32_t>(outbox_shards));
}

/// What a row keeps of a message whose bytes are made. `how` is how the contract says that it looks
/// on Kafka, as far as it says so.
[[nodiscard]] inline auto to_row(const message& from, std::int32_t partition,
                                 const std::optional<wire::mode>& how) -> outbox_row {
    outbox_row row;
    row.id = from.id().str();
    row.source = from.source();
    row.type = from.type();
    row.topic = from.topic();
    if (const auto key = from.key()) {
        row.key = std::string(*key);
    }
    row.partition = partition;
    row.time = from.time().time_since_epoch().count();
    if (how) {
        row.wire = *how == wire::mode::plain ? "plain" : "binary";
    }
    row.headers = write_headers(from.headers());
    if (!from.is_null()) {
        row.payload = std::string(from.payload());
    }
    row.shard = outbox_shard(row);
    return row;
}

/// The message that the row keeps. Errors: throws `errc::not_decodable`.
[[nodiscard]] inline auto to_message(const outbox_row& row) -> message {
    message made;
    made.topic(intern(row.topic));
    made.type(row.type);
    made.source(row.source);
    made.id(message_id::from_text(row.id));
    made.time(time_point(std::chrono::milliseconds(row.time)));
    if (row.key) {
        made.key(*row.key);
    }
    if (row.payload) {
        made.payload(*row.payload);
    }
    if (!row.wire.empty()) {
        made.form(row.wire == "plain" ? wire::mode::plain : wire::mode::binary);
    }
    headers_reader(row.headers).run(made.headers());
    return made;
}

} // namespace detail
} // namespace cobus
