#pragma once

#include <cobus/message.hpp>

#include <chrono>
#include <cstddef>
#include <istream>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

// A message as a line of its own making: each text with its length before it, and '-' for none.
inline void write_text(std::ostream& out, std::optional<std::string_view> text) {
    if (text) {
        out << text->size() << ':' << *text;
    } else {
        out << '-';
    }
}

inline auto read_text(std::istream& in) -> std::optional<std::string> {
    if (in.peek() == '-') {
        in.get();
        return std::nullopt;
    }
    std::size_t size = 0;
    std::string text;
    if (in >> size && in.get() == ':') {
        text.resize(size);
        in.read(text.data(), static_cast<std::streamsize>(size));
    }
    return text;
}

inline void write_record(std::ostream& out, const cobus::message& content) {
    write_text(out, content.id().str());
    write_text(out, content.type());
    write_text(out, content.source());
    write_text(out, std::to_string(content.time().time_since_epoch().count()));
    write_text(out, content.key());
    write_text(out, content.is_null() ? std::nullopt : std::optional(content.payload()));
    for (const cobus::header& each : content.headers()) {
        write_text(out, each.name);
        write_text(out, each.value);
    }
    out << '\n';
}

/// Null at the end of the file, and for half a record.
inline auto read_record(std::istream& in, const std::string* topic) -> cobus::message_ptr {
    cobus::message_ptr made = cobus::make_message();
    made->topic(topic);
    made->id(cobus::message_id::from_text(read_text(in).value_or("")));
    made->type(read_text(in).value_or(""));
    made->source(read_text(in).value_or(""));
    const std::string time = read_text(in).value_or("0");
    if (const auto key = read_text(in)) {
        made->key(*key);
    }
    if (auto payload = read_text(in)) {
        made->payload(std::move(*payload));
    }
    while (in && in.peek() != '\n') {
        const std::string name = read_text(in).value_or("");
        const auto value = read_text(in);
        value ? made->headers().add(name, *value) : made->headers().add_null(name);
    }
    if (!in || in.get() != '\n') {
        return nullptr;
    }
    made->time(cobus::time_point(std::chrono::milliseconds(std::stoll(time))));
    return made;
}
