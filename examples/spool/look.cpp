#include "commands.hpp"

#include <cobus/codec/iso_time.hpp>
#include <cobus/codec/utf8.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

namespace spool_tool {
namespace {

using cobus::degrade::refused_row;

[[nodiscard]] auto age(cobus::time_point since) -> std::string {
    const auto passed = std::chrono::system_clock::now() - since;
    const long long seconds = (std::max)(
        0LL,
        static_cast<long long>(std::chrono::duration_cast<std::chrono::seconds>(passed).count()));
    if (seconds < 120) {
        return std::to_string(seconds) + " s";
    }
    if (seconds < 7200) {
        return std::to_string(seconds / 60) + " min";
    }
    return seconds < 172'800 ? std::to_string(seconds / 3600) + " h"
                             : std::to_string(seconds / 86'400) + " days";
}

[[nodiscard]] auto iso(cobus::time_point when) -> std::string {
    std::array<char, cobus::detail::iso_time_size> text{};
    return {text.data(), cobus::detail::put_iso_time(when, text.data())};
}

/// Of bytes that may be anything.
[[nodiscard]] auto printable(std::string_view bytes) -> std::string {
    return cobus::detail::is_utf8(bytes)
               ? std::string(bytes)
               : "(" + std::to_string(bytes.size()) + " bytes, not UTF-8)";
}

[[nodiscard]] auto kind_of(const refused_row& one) -> std::string {
    const std::string type(one.row.content.type());
    return std::string(one.row.content.topic()) + " " + (type.empty() ? "(no type)" : type);
}

void print(const refused_row& one) {
    const cobus::message& content = one.row.content;
    std::printf("%llu\n", static_cast<unsigned long long>(one.row.sequence));
    const auto line = [](const char* name, const std::string& value) {
        std::printf("  %-9s%s\n", name, value.c_str());
    };
    line("topic", std::string(content.topic()));
    if (one.row.partition >= 0) {
        line("partition", std::to_string(one.row.partition));
    }
    line("type", printable(content.type()));
    line("source", printable(content.source()));
    line("id", printable(content.id().str()));
    line("time", iso(content.time()));
    line("kept", iso(one.row.since));
    line("key", content.key() ? printable(*content.key()) : "(none)");
    for (const auto& each : one.row.settled) {
        line("handled", each.group + "/" + each.handler);
    }
    if (!one.cause.empty()) {
        line("refused", iso(one.at) + " " + printable(one.cause));
    }
    for (const cobus::header& each : content.headers()) {
        std::printf("  %s: %s\n", printable(each.name).c_str(),
                    each.value ? printable(*each.value).c_str() : "(null)");
    }
    line("payload", content.is_null() ? "(none)" : printable(content.payload()));
    std::printf("\n");
}

} // namespace

auto count(const request& wanted) -> int {
    box from(wanted);
    for (const bool refused : {false, true}) {
        request these = wanted;
        these.refused = refused;
        std::map<std::string, std::size_t> kinds;
        std::size_t number = 0;
        std::size_t bytes = 0;
        auto oldest = cobus::time_point::max();
        from.each(these, [&](const refused_row& one) {
            ++kinds[kind_of(one)];
            ++number;
            bytes += cobus::degrade::bytes_of(one.row.content);
            oldest = (std::min)(oldest, refused ? one.at : one.row.since);
        });
        std::printf(
            "%s: %zu%s\n", refused ? "refused" : "waiting", number,
            number == 0
                ? ""
                : (", " + std::to_string(bytes) + " bytes, the oldest " + age(oldest)).c_str());
        for (const auto& [kind, of_kind] : kinds) {
            std::printf("  %6zu %s\n", of_kind, kind.c_str());
        }
    }
    return 0;
}

auto list(const request& wanted) -> int {
    box from(wanted);
    from.each(wanted, [](const refused_row& one) {
        const cobus::message& content = one.row.content;
        std::printf("%llu  %s  %s  %s%s\n", static_cast<unsigned long long>(one.row.sequence),
                    iso(one.row.since).c_str(), kind_of(one).c_str(),
                    content.key() ? printable(*content.key()).c_str() : "(no key)",
                    one.cause.empty() ? "" : ("  " + printable(one.cause)).c_str());
    });
    return 0;
}

auto show(const request& wanted) -> int {
    box from(wanted);
    from.each(wanted, [](const refused_row& one) { print(one); });
    return 0;
}

} // namespace spool_tool
