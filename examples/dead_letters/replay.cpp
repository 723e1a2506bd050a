#include "replay.hpp"

#include <cobus/dispatch/dead_letters.hpp>

#include <chrono>
#include <string_view>

namespace dead_letters {
namespace {

constexpr std::string_view count_header = "cobus-replays";
constexpr std::string_view from_header = "cobus-replayed-from";

[[nodiscard]] auto next_count(const letter& from) -> std::string {
    const std::string before(from.headers.get(count_header).value_or("0"));
    return std::to_string(std::strtoul(before.c_str(), nullptr, 10) + 1);
}

/// Those of the message itself, where both a letter without them and the original may have some.
void copy_headers(const cobus::headers& from, cobus::message& to) {
    for (const cobus::header& each : from) {
        if (each.name.starts_with("cobus-dlq-") || each.name == cobus::detail::only_header ||
            each.name == count_header || each.name == from_header) {
            continue;
        }
        if (each.value) {
            to.headers().add(each.name, *each.value);
        } else {
            to.headers().add_null(each.name);
        }
    }
}

} // namespace

auto make_replay(const letter& from, const letter* original, bool everyone) -> replay {
    const auto origin = from.origin();
    if (!origin) {
        return "it does not say where it failed: it was not written by cobus";
    }
    const bool pointer = from.is_pointer();
    if (pointer && original == nullptr) {
        return "its payload was too large to be kept, and " + origin->text() +
               " is not there any more";
    }
    if (pointer && cobus::detail::fnv1a(original->payload.value_or("")) != from.said("fnv1a")) {
        return "its payload was too large to be kept, and " + origin->text() +
               " has another one now: the topic was made anew";
    }
    const letter& content = pointer ? *original : from;
    if (!pointer && !from.said("payload").empty()) {
        return "its payload could not be kept: " + std::string(from.said("payload"));
    }
    cobus::message made;
    made.topic(origin->topic);
    if (content.key) {
        made.key(*content.key);
    }
    if (content.payload) {
        made.payload(*content.payload);
    }
    made.time(cobus::time_point(std::chrono::milliseconds(content.timestamp)));
    copy_headers(content.headers, made);
    made.headers().set(count_header, next_count(from));
    made.headers().set(from_header, from.where.text());
    if (!everyone) {
        made.headers().set(cobus::detail::only_header, std::string(from.said("group")) + "/" +
                                                           std::string(from.said("handler")));
    }
    return made;
}

} // namespace dead_letters
