#pragma once

#include "../contract.hpp"
#include "../message.hpp"
#include "json_cursor.hpp"
#include "json_envelope.hpp"
#include "json_problem.hpp"
#include "json_reader.hpp"
#include "json_sink.hpp"
#include "json_types.hpp"
#include "json_writer.hpp"

#include <cstddef>
#include <new>
#include <optional>
#include <string>
#include <string_view>

namespace cobus {

/// Events as JSON (RFC 8259). With `contract<E>::fields` the writer and the reader are made by the
/// compiler; without, the event's own `to_json` and `from_json` for nlohmann-json do the work.
///
/// Written: only optionals that are set; enums by name; times as ISO 8601 in UTC with milliseconds;
/// bytes as base64. Read: members in any order; unknown ones are passed over; of a name that comes
/// twice the last counts; null is a missing optional; integers without fraction or exponent and in
/// range. Input is at most 16 MiB and 64 levels deep, strict to the last byte, and UTF-8 both ways.
///
/// In users' own `from_json`, nlohmann-json's conversions apply: they cut a fraction off, and do
/// not check the range of integers.
///
/// Errors are results, such as `$.props.ip_address: expected a string, got a number`, never
/// exceptions. Thread safety: all functions, from any thread.
struct json_codec {
    static constexpr std::string_view content_type = "application/json";

    /// Appends the event's text; appends nothing when the event cannot be written.
    template <class E>
    [[nodiscard]] static auto encode(const E& event, std::string& out) -> codec_result {
        try {
            detail::json::sink sink;
            char* const end = detail::json::write(sink, sink.begin(), event);
            if (end == nullptr) {
                return codec_result(sink.wrong.text());
            }
            out.append(sink.begin(), static_cast<std::size_t>(end - sink.begin()));
            return codec_result();
        } catch (const std::bad_alloc&) {
            return codec_result("out of memory");
        }
    }

    /// Reads the event, replacing what `into` holds; after a failure its members are unspecified.
    template <class E>
    [[nodiscard]] static auto decode(std::string_view bytes, E& into) -> codec_result {
        if (codec_result fits = check_size(bytes); !fits.ok()) {
            return fits;
        }
        try {
            detail::json::cursor in(bytes);
            return detail::json::read(in, into) && in.finish() ? codec_result()
                                                               : codec_result(in.wrong.text());
        } catch (const std::bad_alloc&) {
            return codec_result("out of memory");
        }
    }

    /// The text of a member of the outermost object, or nothing when it is not there, is no string,
    /// or the text before it is not JSON.
    [[nodiscard]] static auto peek_type(std::string_view bytes, std::string_view field)
        -> std::optional<std::string> {
        using detail::json::cursor;
        cursor in(bytes);
        if (!check_size(bytes).ok() || in.peek() != '{' || !in.open('{', "an object")) {
            return std::nullopt;
        }
        while (in.next('}') == cursor::more::yes) {
            std::string_view name;
            if (!in.view_string(name) || !in.colon()) {
                return std::nullopt;
            }
            if (name == field) {
                std::string_view type;
                return in.view_string(type) ? std::optional<std::string>(type) : std::nullopt;
            }
            if (!in.skip()) {
                return std::nullopt;
            }
        }
        return std::nullopt;
    }

    /// Appends the message as one object of CloudEvents 1.0 (structured mode). A JSON payload
    /// stands in `data`, any other in `data_base64`. Headers named by lower case letters and digits
    /// only, such as `traceparent`, become extensions; others are not in the envelope.
    [[nodiscard]] static auto wrap(const message& from, std::string& out) -> codec_result {
        try {
            return detail::json::envelope_writer(from).run(out);
        } catch (const std::bad_alloc&) {
            return codec_result("out of memory");
        }
    }

    /// Takes a message whose payload is such an object apart: id, type, source, time, headers for
    /// the extensions, and the payload. The message is unchanged after a failure.
    [[nodiscard]] static auto unwrap(message& into) -> codec_result {
        if (codec_result fits = check_size(into.payload()); !fits.ok()) {
            return fits;
        }
        try {
            return detail::json::envelope_reader(into.payload()).run(into);
        } catch (const std::bad_alloc&) {
            return codec_result("out of memory");
        }
    }

private:
    [[nodiscard]] static auto check_size(std::string_view bytes) -> codec_result {
        if (bytes.size() <= detail::json::max_bytes) {
            return codec_result();
        }
        return codec_result("$: the text has " + std::to_string(bytes.size()) + " bytes, at most " +
                            std::to_string(detail::json::max_bytes));
    }
};

} // namespace cobus
