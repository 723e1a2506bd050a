#pragma once

#include "../codec/iso_time.hpp"
#include "job.hpp"
#include "registration.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace cobus::detail {

inline constexpr std::string_view dead_letter_prefix = "dlq.";
/// "group/handler": a replayed message is for that handler alone.
inline constexpr std::string_view only_header = "cobus-only";

[[nodiscard]] inline auto is_dead_letter_topic(std::string_view topic) noexcept -> bool {
    return topic.starts_with(dead_letter_prefix);
}

/// Whether a message may go to a handler of that group: replays name one.
[[nodiscard]] inline auto is_for(const message& content, std::string_view group,
                                 std::string_view handler) noexcept -> bool {
    const auto only = content.headers().get(only_header);
    return !only ||
           (only->size() == group.size() + 1 + handler.size() && only->starts_with(group) &&
            (*only)[group.size()] == '/' && only->ends_with(handler));
}

[[nodiscard]] inline auto place_of(const job& failed) -> std::string {
    const delivery& from = failed.of->from;
    return *from.where.topic + "/" + std::to_string(from.where.partition) + "/" +
           std::to_string(from.offset);
}

/// The log line of a handler that gives up.
[[nodiscard]] inline auto why_dead(const job& failed) -> std::string {
    return "handler '" + failed.handler->name() + "' gave up on " +
           std::string(failed.of->from.content->type()) + " at " + place_of(failed) + " after " +
           std::to_string(failed.tried + failed.attempt) +
           (failed.tried + failed.attempt == 1 ? " try: " : " tries: ") +
           std::string(failed.ended.reason());
}

/// The log line of a dead letter topic that does not take a letter.
[[nodiscard]] inline auto why_refused(const job& failed, std::error_code ec) -> std::string {
    return "the dead letter topic '" + std::string(dead_letter_prefix) +
           *failed.of->from.where.topic + "' refuses: " + ec.message() +
           "; it is tried again, and meanwhile nothing is committed from " + place_of(failed) +
           " on";
}

/// The next smaller form of a letter that was too large. False when there is none.
[[nodiscard]] inline auto shrink(letter_form& form) noexcept -> bool {
    if (form == letter_form::pointer) {
        return false;
    }
    form = static_cast<letter_form>(static_cast<unsigned char>(form) + 1);
    return true;
}

/// How long a letter waits after so many refusals before: 1 s, doubling up to 32 s.
[[nodiscard]] inline auto letter_wait(unsigned refusals) noexcept -> std::chrono::seconds {
    return std::chrono::seconds(1U << (std::min)(refusals, 5U));
}

/// FNV-1a, 64 bits, in hexadecimal: tells a payload from another that took its place.
[[nodiscard]] inline auto fnv1a(std::string_view bytes) -> std::string {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const char each : bytes) {
        hash = (hash ^ static_cast<unsigned char>(each)) * 0x100000001B3U;
    }
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, hash, 16);
    return {digits, end.ptr};
}

/// The payload of a letter: the original's bytes, with the envelope that they came in.
inline void copy_payload(message& original, message& letter) {
    if (!original.envelope().empty()) { // the envelope has the type
        letter.type("");
        letter.headers().set("content-type", original.envelope_type());
        letter.payload(std::string(original.envelope()));
    } else if (original.is_null()) {
        letter.no_payload();
    } else if (const codec_result bytes = original.ensure_bytes(); bytes.ok()) {
        letter.payload(std::string(original.payload()));
    } else {
        letter.headers().set("cobus-dlq-payload", bytes.problem());
    }
}

/// Instead of the payload: its size and its hash.
inline void point_to_payload(message& original, message& letter) {
    (void)original.ensure_bytes();
    const std::string_view bytes =
        original.envelope().empty() ? original.payload() : original.envelope();
    letter.no_payload();
    letter.headers().set("cobus-dlq-payload", "left out: too large");
    letter.headers().set("cobus-dlq-size", std::to_string(bytes.size()));
    letter.headers().set("cobus-dlq-fnv1a", fnv1a(bytes));
}

/// The message that keeps a failed one: its bytes, key, headers and identity as they were, and what
/// failed, where, when and how often, in headers of ours. Each text is capped, so that it stays
/// small beside the payload; `form` says what else is left out.
[[nodiscard]] inline auto make_dead_letter(const job& failed, std::string_view group,
                                           std::chrono::system_clock::time_point when)
    -> message_ptr {
    constexpr std::size_t longest = 1024;
    message& original = *failed.of->from.content;
    const topic_partition& where = failed.of->from.where;
    message_ptr letter = make_message();
    letter->topic(std::string(dead_letter_prefix) + *where.topic);
    letter->type(original.type());
    letter->source(original.source());
    letter->id(original.id());
    letter->time(original.time());
    if (original.key()) {
        letter->key(*original.key());
    }
    if (failed.form < letter_form::no_headers) {
        letter->headers() = original.headers();
        for (const std::string_view own : {"handler", "origin", "tries", "due", "by", "number",
                                           "type"}) { // of a retry topic, where it has been
            letter->headers().erase(std::string("cobus-retry-").append(own));
        }
    }
    const auto say = [&letter](std::string_view name, std::string_view value) {
        letter->headers().set(name, value.substr(0, longest));
    };
    failed.form < letter_form::pointer ? copy_payload(original, *letter)
                                       : point_to_payload(original, *letter);
    say("cobus-dlq-topic", *where.topic);
    say("cobus-dlq-partition", std::to_string(where.partition));
    say("cobus-dlq-offset", std::to_string(failed.of->from.offset));
    say("cobus-dlq-group", group);
    say("cobus-dlq-handler", failed.handler->name());
    say("cobus-dlq-attempts", std::to_string(failed.tried + failed.attempt));
    char time[iso_time_size];
    say("cobus-dlq-time", {time, static_cast<std::size_t>(put_iso_time(when, time) - time)});
    if (!original.type().empty()) { // where the wire has no place for it
        say("cobus-dlq-type", original.type());
    }
    if (failed.form < letter_form::no_reason) {
        say("cobus-dlq-reason", failed.ended.reason());
    }
    return letter;
}

} // namespace cobus::detail
