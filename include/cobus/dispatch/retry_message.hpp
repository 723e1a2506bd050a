#pragma once

#include "dead_letters.hpp"
#include "job.hpp"
#include "lane_of.hpp"
#include "registration.hpp"
#include "retry_ledger.hpp"

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cobus::detail {

inline constexpr std::string_view retry_prefix = "retry.";
inline constexpr std::string_view retry_barrier = "cobus-retry-barrier";

/// "retry.<group>.<topic>", and a number behind it from the second tier on.
[[nodiscard]] inline auto retry_topic_of(std::string_view group, std::string_view topic,
                                         std::size_t tier) -> std::string {
    std::string name(retry_prefix);
    name.append(group).append(".").append(topic);
    return tier == 0 ? name : name.append(".").append(std::to_string(tier + 1));
}
[[nodiscard]] inline auto may_have_retry_topic(std::string_view topic) noexcept -> bool {
    return !is_dead_letter_topic(topic) && !topic.starts_with(retry_prefix);
}

/// What a message in a retry topic says of itself beside what it was.
struct retry_tag {
    std::string_view handler;
    std::int64_t origin = -1; ///< its offset in the topic that it comes from
    unsigned tries = 0;       ///< so far
    std::int64_t due = 0;     ///< milliseconds since 1970
    std::string_view by;      ///< the assignment that wrote it
    std::uint64_t number = 0; ///< of what that assignment wrote
};

template <class Number>
[[nodiscard]] auto number_in(const message& content, std::string_view name, Number& out) -> bool {
    const auto text = content.headers().get(name);
    return text &&
           std::from_chars(text->data(), text->data() + text->size(), out).ec == std::errc();
}
/// Nothing when it is none of ours.
[[nodiscard]] inline auto read_retry_tag(const message& content) -> std::optional<retry_tag> {
    retry_tag tag;
    const auto handler = content.headers().get("cobus-retry-handler");
    if (!handler || !number_in(content, "cobus-retry-origin", tag.origin) ||
        !number_in(content, "cobus-retry-tries", tag.tries) ||
        !number_in(content, "cobus-retry-due", tag.due) ||
        !number_in(content, "cobus-retry-number", tag.number)) {
        return std::nullopt;
    }
    tag.handler = *handler;
    tag.by = content.headers().get("cobus-retry-by").value_or("");
    return tag;
}

/// Whether the message can be written again: its payload is there, or can be made.
[[nodiscard]] inline auto can_be_written(message& content) -> codec_result {
    return content.is_null() || !content.envelope().empty() ? codec_result()
                                                            : content.ensure_bytes();
}
/// The message as it waits in a retry topic: as it was, with the tag in headers.
[[nodiscard]] inline auto make_retry_message(message& original, const std::string* topic,
                                             const retry_tag& tag) -> message_ptr {
    message_ptr made = make_message();
    made->topic(topic);
    made->type(original.type());
    made->source(original.source());
    made->id(original.id());
    made->time(original.time());
    if (original.key()) {
        made->key(*original.key());
    }
    made->headers() = original.headers();
    copy_payload(original, *made);
    const auto say = [&made](std::string_view name, std::string_view value) {
        made->headers().set(name, value);
    };
    say("cobus-retry-handler", tag.handler);
    say("cobus-retry-origin", std::to_string(tag.origin));
    say("cobus-retry-tries", std::to_string(tag.tries));
    say("cobus-retry-due", std::to_string(tag.due));
    say("cobus-retry-by", tag.by);
    say("cobus-retry-number", std::to_string(tag.number));
    if (!original.type().empty()) { // where the wire has no place for it
        say("cobus-retry-type", original.type());
    }
    return made;
}
/// Tells, once it is read, that everything written before it was read too.
[[nodiscard]] inline auto make_retry_barrier(const std::string* topic, std::string_view token,
                                             time_point now) -> message_ptr {
    message_ptr made = make_message();
    made->topic(topic);
    made->type("cobus.retry.barrier");
    made->time(now);
    made->headers().set(retry_barrier, token);
    made->payload(std::string());
    return made;
}

/// A message that was read from a retry topic, as if it came from its own again.
inline void as_its_origin(record& item, const topic_partition& main, std::int64_t origin) {
    item.visit = std::make_unique<retry_visit>();
    item.visit->real = item.from;
    item.from.where = main;
    item.from.offset = origin;
    item.from.content->topic(main.topic);
    if (const auto type = item.from.content->headers().get("cobus-retry-type")) {
        item.from.content->type(*type);
    }
}
[[nodiscard]] inline auto nobody_waits(std::string_view topic, const retry_tag& tag)
    -> std::string {
    return "a message waits in '" + std::string(topic) + "' for the handler '" +
           std::string(tag.handler) + "', which is not there: it is done";
}

/// The lane in which a job waits and is followed. What has no key, or no order, is followed by
/// nobody.
[[nodiscard]] inline auto retry_lane(const job& work) -> retry_ledger::lane {
    constexpr std::uint64_t spread = 0x9E3779B97F4A7C15U; // 2^64 over the golden ratio
    const delivery& from = work.of->from;
    const order how = work.handler->options().ordered();
    const bool alone = how == order::unordered || (how == order::by_key && !from.content->key());
    return {work.handler,
            alone ? (static_cast<std::uint64_t>(from.offset) + 1) * spread : lane_of(work)};
}

} // namespace cobus::detail
