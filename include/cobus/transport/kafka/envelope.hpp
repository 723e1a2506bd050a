#pragma once

#include "../../contract.hpp"
#include "../../detail/contract_info.hpp"
#include "../../detail/text.hpp"
#include "../../detail/wire_form.hpp"
#include "../../message.hpp"
#include "handle.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cobus::detail::kafka {

// A message as librdkafka's: CloudEvents in binary or structured mode, or plain.
//
// The time travels as the record's timestamp, which costs nothing, and not as a header.

inline constexpr std::string_view attribute_prefix = "ce_";

/// A message ready to be produced. The views live as long as the message, and until this thread
/// encodes another.
struct encoded {
    std::string_view payload;
    bool null_payload = false;
    headers_ptr headers;
};

namespace envelope {

inline void add(rd_kafka_headers_t* to, std::string_view name, std::string_view value) {
    rd_kafka_header_add(to, name.data(), static_cast<ssize_t>(name.size()),
                        value.data() != nullptr ? value.data() : "",
                        static_cast<ssize_t>(value.size()));
}

inline void add_users(rd_kafka_headers_t* to, const cobus::headers& all) {
    for (const header& each : all) {
        if (each.value) {
            add(to, each.name, *each.value);
        } else {
            rd_kafka_header_add(to, each.name.data(), static_cast<ssize_t>(each.name.size()),
                                nullptr, 0);
        }
    }
}

inline void add_attributes(rd_kafka_headers_t* to, const message& from) {
    add(to, "ce_specversion", "1.0");
    std::array<char, 36> room; // NOLINT: written before it is read
    add(to, "ce_id", from.id().view(room));
    add(to, "ce_source", from.source().empty() ? std::string_view("/cobus") : from.source());
    add(to, "ce_type", from.type());
    const contract_info* info = from.written_as();
    if (info != nullptr && !info->content_type.empty() && !from.headers().get("content-type")) {
        add(to, "content-type", info->content_type);
    }
}

} // namespace envelope

[[nodiscard]] inline auto encode(message& from, const wire& otherwise, encoded& to)
    -> codec_result {
    using namespace envelope;
    if (codec_result made = from.ensure_bytes(); !made.ok()) {
        return made;
    }
    to.null_payload = from.is_null();
    to.payload = from.payload();
    const wire::mode mode = wire_form(from, otherwise);
    const std::size_t users = from.headers().size();
    if (mode == wire::mode::plain && users == 0) {
        return codec_result();
    }
    to.headers.reset(rd_kafka_headers_new(users + 5));
    if (mode == wire::mode::binary) {
        add_attributes(to.headers.get(), from);
    } else if (mode == wire::mode::structured) {
        static thread_local std::string text;
        text.clear();
        if (codec_result wrapped = from.written_as()->wrap(from, text); !wrapped.ok()) {
            return wrapped;
        }
        to.payload = text;
        to.null_payload = false;
        add(to.headers.get(), "content-type", structured_type);
    }
    add_users(to.headers.get(), from.headers());
    return codec_result();
}

/// Reads headers: attributes become views into librdkafka's memory, others are the user's.
inline void decode_headers(const rd_kafka_headers_t* from, message& to) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(from, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
        const std::string_view key(name);
        if (value == nullptr) {
            to.headers().add_null(key);
            continue;
        }
        const std::string_view text(static_cast<const char*>(value), size);
        if (key == "ce_id") {
            to.id(message_id::from_text(text));
        } else if (key == "ce_type") {
            to.type_view(text);
        } else if (key == "ce_source") {
            to.source_view(text);
        } else if (key != "ce_specversion") {
            to.headers().add(key, text);
        }
    }
}

using unwrapping = codec_result (*)(message&);

/// Takes a structured message out of its envelope. A broken one stays in it, and has no type.
inline void open_envelope(const rd_kafka_headers_t* headers, unwrapping unwrap, message& content) {
    const void* value = nullptr;
    std::size_t size = 0;
    if (rd_kafka_header_get_last(headers, "content-type", &value, &size) !=
            RD_KAFKA_RESP_ERR_NO_ERROR ||
        value == nullptr) {
        return;
    }
    const std::string_view content_type(static_cast<const char*>(value), size);
    if (is_structured(content_type)) {
        content.envelope_view(content.payload(), content_type);
        content.headers().erase("content-type"); // the envelope's; the payload's may come
        if (!unwrap(content).ok()) {
            content.headers().add("content-type", content_type);
        }
    }
}

/// Fills a message with views into a consumed one, which must live as long.
inline void decode(rd_kafka_message_t& from, const std::string* topic, unwrapping unwrap,
                   message& to) {
    to.topic(topic);
    if (from.key != nullptr) {
        to.key_view({static_cast<const char*>(from.key), from.key_len});
    }
    if (from.payload != nullptr) {
        to.payload_view({static_cast<const char*>(from.payload), from.len});
    }
    rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    const std::int64_t stamp = rd_kafka_message_timestamp(&from, &kind);
    if (kind != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) {
        to.time(time_point(std::chrono::milliseconds(stamp)));
    }
    rd_kafka_headers_t* headers = nullptr; // the message keeps owning them
    if (rd_kafka_message_headers(&from, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        decode_headers(headers, to);
        if (unwrap != nullptr && to.type().empty()) {
            open_envelope(headers, unwrap, to);
        }
    }
}

} // namespace cobus::detail::kafka
