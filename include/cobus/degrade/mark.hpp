#pragma once

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace cobus::degrade {

/// The header of a replayed event: which handlers of which group did it already, in process, while
/// Kafka was away. `1;until=<unix seconds>;<group>/<handler>,…`, names percent-escaped.
inline constexpr std::string_view mark_header = "cobus-done";
/// A longer one is left out: then the handlers run again.
inline constexpr std::size_t longest_mark = 1024;

/// Names in which only letters, digits and "-._~" stand for themselves.
inline void escape_name(std::string_view name, std::string& out) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (const char each : name) {
        const bool plain = (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') ||
                           (each >= '0' && each <= '9') ||
                           std::string_view("-._~").find(each) != std::string_view::npos;
        if (plain) {
            out += each;
        } else {
            const auto byte = static_cast<unsigned char>(each);
            out += '%';
            out += digits[byte >> 4U];
            out += digits[byte & 15U];
        }
    }
}

/// The mark for these handlers of one group; empty when there are none, or too many.
[[nodiscard]] inline auto write_mark(std::chrono::system_clock::time_point until,
                                     std::string_view group, std::span<const std::string> handlers)
    -> std::string {
    if (handlers.empty()) {
        return {};
    }
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(until.time_since_epoch()).count();
    std::string text = "1;until=" + std::to_string(seconds) + ";";
    bool first = true;
    for (const std::string& each : handlers) {
        text += first ? "" : ",";
        first = false;
        escape_name(group, text);
        text += '/';
        escape_name(each, text);
        if (text.size() > longest_mark) {
            return {};
        }
    }
    return text;
}

/// Reads what a mark says of a handler. Anybody who may write to the topic can forge one, so what
/// is not just as it should be says nothing.
class mark_reader {
public:
    explicit mark_reader(std::string_view text) noexcept : rest_(text) {
        constexpr std::string_view begin = "1;until=";
        if (text.size() > longest_mark || !text.starts_with(begin)) {
            return;
        }
        rest_ = text.substr(begin.size());
        const char* const first = rest_.data();
        const char* const end = first + rest_.size();
        std::int64_t seconds = 0;
        const auto [at, problem] = std::from_chars(first, end, seconds);
        if (problem != std::errc() || seconds < 0 || at == end || *at != ';') {
            return;
        }
        rest_.remove_prefix(static_cast<std::size_t>(at - first) + 1);
        until_ = seconds;
    }

    /// Whether it counts yet.
    [[nodiscard]] auto counts(std::chrono::system_clock::time_point now) const noexcept -> bool {
        return until_ &&
               *until_ >
                   std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    }
    /// Until when it counts, in seconds since 1970; zero when it says nothing.
    [[nodiscard]] auto until() const noexcept -> std::int64_t { return until_.value_or(0); }
    /// `visit(name)` for each "group/handler" that it names, escaped, until one returns true; tells
    /// whether one did.
    template <class Visit> auto any(Visit visit) const -> bool {
        for (std::string_view rest = rest_; until_ && !rest.empty();) {
            const std::size_t comma = rest.find(',');
            if (visit(rest.substr(0, comma))) {
                return true;
            }
            rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
        }
        return false;
    }
    /// Whether it names that handler of that group.
    [[nodiscard]] auto names(std::string_view group, std::string_view handler) const -> bool {
        std::string wanted;
        escape_name(group, wanted);
        wanted += '/';
        escape_name(handler, wanted);
        return any([&wanted](std::string_view each) { return each == wanted; });
    }

private:
    std::string_view rest_;
    std::optional<std::int64_t> until_;
};

} // namespace cobus::degrade
