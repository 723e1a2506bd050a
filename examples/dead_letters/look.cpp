#include "box.hpp"
#include "commands.hpp"
#include "environment.hpp"

#include <cobus/codec/utf8.hpp>

#include <chrono>
#include <cstdio>
#include <map>
#include <string_view>

namespace dead_letters {
namespace {

[[nodiscard]] auto age(std::int64_t since_ms) -> std::string {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const long long seconds = std::max<long long>(
        0, std::chrono::duration_cast<std::chrono::seconds>(now).count() - since_ms / 1000);
    if (seconds < 120) {
        return std::to_string(seconds) + " s";
    }
    if (seconds < 7200) {
        return std::to_string(seconds / 60) + " min";
    }
    return seconds < 172'800 ? std::to_string(seconds / 3600) + " h"
                             : std::to_string(seconds / 86'400) + " days";
}

/// Of a payload or header that may be anything.
[[nodiscard]] auto printable(std::string_view bytes) -> std::string {
    return cobus::detail::is_utf8(bytes)
               ? std::string(bytes)
               : "(" + std::to_string(bytes.size()) + " bytes, not UTF-8)";
}

[[nodiscard]] auto who_failed(const letter& one) -> std::string {
    return std::string(one.said("group")) + "/" + std::string(one.said("handler"));
}

[[nodiscard]] auto type_of(const letter& one) -> std::string {
    const std::string_view type = one.said("type");
    return type.empty() ? "(no type)" : std::string(type);
}

void print(const letter& one) {
    std::printf("%s\n", one.where.text().c_str());
    std::printf("  key      %s\n", one.key ? printable(*one.key).c_str() : "(none)");
    for (const cobus::header& each : one.headers) {
        std::printf("  %s: %s\n", each.name.c_str(),
                    each.value ? printable(*each.value).c_str() : "(null)");
    }
    std::printf("  payload  %s\n\n", one.payload ? printable(*one.payload).c_str() : "(none)");
}

} // namespace

auto count(const request& wanted) -> int {
    reader from(settings_from_environment());
    for (const std::string& topic : topics_of(wanted, from)) {
        const std::vector<letter> all = open_letters(from, topic, wanted.which, false);
        std::printf("%s: %zu%s\n", topic.c_str(), all.size(),
                    all.empty() ? "" : (", the oldest " + age(all.front().timestamp)).c_str());
        std::map<std::string, std::size_t> kinds;
        for (const letter& each : all) {
            ++kinds[type_of(each) + " of " + who_failed(each)];
        }
        for (const auto& [kind, number] : kinds) {
            std::printf("  %6zu %s\n", number, kind.c_str());
        }
    }
    return 0;
}

auto list(const request& wanted) -> int {
    reader from(settings_from_environment());
    for (const std::string& topic : topics_of(wanted, from)) {
        for (const letter& each : open_letters(from, topic, wanted.which, false)) {
            std::printf("%s  %s  %s  %s  %s tries  %s\n", each.where.text().c_str(),
                        each.time().c_str(), type_of(each).c_str(), who_failed(each).c_str(),
                        std::string(each.said("attempts")).c_str(),
                        printable(each.said("reason")).c_str());
        }
    }
    return 0;
}

auto show(const request& wanted) -> int {
    reader from(settings_from_environment());
    for (const std::string& topic : topics_of(wanted, from)) {
        for (const letter& each : open_letters(from, topic, wanted.which, true)) {
            print(each);
        }
    }
    return 0;
}

} // namespace dead_letters
