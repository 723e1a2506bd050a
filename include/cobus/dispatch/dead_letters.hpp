#pragma once

#include "job.hpp"
#include "registration.hpp"

#include <string>
#include <string_view>

namespace cobus::detail {

inline constexpr std::string_view dead_letter_prefix = "dlq.";

[[nodiscard]] inline auto is_dead_letter_topic(std::string_view topic) noexcept -> bool {
    return topic.starts_with(dead_letter_prefix);
}

/// The log line of a handler that gives up.
[[nodiscard]] inline auto why_dead(const job& failed) -> std::string {
    const delivery& from = failed.of->from;
    return "handler '" + failed.handler->name() + "' gave up on " +
           std::string(from.content->type()) + " at " + *from.where.topic + "/" +
           std::to_string(from.where.partition) + "/" + std::to_string(from.offset) + " after " +
           std::to_string(failed.attempt) + (failed.attempt == 1 ? " try: " : " tries: ") +
           failed.ended.reason();
}

/// The message that keeps a failed one: its bytes, key, headers and identity as they were, and what
/// failed, where and how often, in headers of ours. Each text is capped, so that it stays small
/// beside the payload.
[[nodiscard]] inline auto make_dead_letter(const job& failed, std::string_view group)
    -> message_ptr {
    constexpr std::size_t longest = 1024;
    message& original = *failed.of->from.content;
    message_ptr letter = make_message();
    const topic_partition& where = failed.of->from.where;
    letter->topic(std::string(dead_letter_prefix) + *where.topic);
    letter->type(original.type());
    letter->source(original.source());
    letter->id(original.id());
    letter->time(original.time());
    if (original.key()) {
        letter->key(*original.key());
    }
    letter->headers() = original.headers();
    if (!original.envelope().empty()) { // as it came: within its envelope, which has the type
        letter->type("");
        letter->headers().set("content-type", original.envelope_type());
        letter->payload(std::string(original.envelope()));
    } else if (original.is_null()) {
        letter->no_payload();
    } else if (const codec_result bytes = original.ensure_bytes(); bytes.ok()) {
        letter->payload(std::string(original.payload()));
    } else {
        letter->headers().set("cobus-dlq-payload", bytes.problem());
    }
    letter->headers().set("cobus-dlq-topic", *where.topic);
    letter->headers().set("cobus-dlq-partition", std::to_string(where.partition));
    letter->headers().set("cobus-dlq-offset", std::to_string(failed.of->from.offset));
    letter->headers().set("cobus-dlq-group", group.substr(0, longest));
    letter->headers().set("cobus-dlq-handler",
                          std::string_view(failed.handler->name()).substr(0, longest));
    letter->headers().set("cobus-dlq-attempts", std::to_string(failed.attempt));
    letter->headers().set("cobus-dlq-reason",
                          std::string_view(failed.ended.reason()).substr(0, longest));
    return letter;
}

} // namespace cobus::detail
