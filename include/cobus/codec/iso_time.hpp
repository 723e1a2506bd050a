#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>

namespace cobus::detail {

template <class T>
inline constexpr bool is_sys_time = false;
template <class Duration>
inline constexpr bool is_sys_time<std::chrono::sys_time<Duration>> = true;

inline constexpr std::size_t iso_time_size = 24; // 2026-11-21T09:47:58.123Z

/// Writes ISO 8601 in UTC with milliseconds, finer parts cut off towards the past. Returns null for
/// years outside 0000 to 9999.
template <class Duration>
[[nodiscard]] auto put_iso_time(std::chrono::sys_time<Duration> time, char* out) noexcept -> char* {
    using namespace std::chrono;
    const auto digits = [&out](std::int64_t value, int count) {
        for (int i = count - 1; i >= 0; --i, value /= 10) {
            out[i] = static_cast<char>('0' + value % 10);
        }
        out += count;
    };
    const auto day = floor<days>(time);
    if (day < sys_days(year(0) / 1 / 1) || day > sys_days(year(9999) / 12 / 31)) {
        return nullptr;
    }
    const year_month_day date(day);
    const std::int64_t millis = floor<milliseconds>(time - day).count();
    digits(static_cast<int>(date.year()), 4);
    *out++ = '-';
    digits(static_cast<unsigned>(date.month()), 2);
    *out++ = '-';
    digits(static_cast<unsigned>(date.day()), 2);
    *out++ = 'T';
    digits(millis / 3'600'000, 2);
    *out++ = ':';
    digits(millis / 60'000 % 60, 2);
    *out++ = ':';
    digits(millis / 1000 % 60, 2);
    *out++ = '.';
    digits(millis % 1000, 3);
    *out++ = 'Z';
    return out;
}

/// Reads its text from left to right; each part says whether it was there.
class iso_time_parser {
public:
    explicit iso_time_parser(std::string_view text) : text_(text) {}

    /// Seconds since the epoch and nanoseconds, or nothing when the text is no time.
    struct parts {
        std::int64_t seconds;
        std::int64_t nanos;
    };
    [[nodiscard]] auto parse() -> std::optional<parts> {
        using namespace std::chrono;
        int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
        std::int64_t nanos = 0, offset = 0;
        const bool read = number(4, y) && is('-') && number(2, mo) && is('-') && number(2, d) &&
                          (is('T') || is('t')) && number(2, h) && is(':') && number(2, mi) &&
                          is(':') && number(2, s) && fraction(nanos) && zone(offset) &&
                          text_.empty();
        const year_month_day date(year(y), month(static_cast<unsigned>(mo)),
                                  std::chrono::day(static_cast<unsigned>(d)));
        const bool leaps = s == 60 && mi == 59; // a leap second counts as the one behind it
        if (!read || !date.ok() || h > 23 || mi > 59 || (s > 59 && !leaps)) {
            return std::nullopt;
        }
        const std::int64_t days = sys_days(date).time_since_epoch().count();
        return parts{days * 86'400 + h * 3'600 + mi * 60 + s - offset, nanos};
    }

private:
    auto is(char wanted) -> bool {
        if (!text_.starts_with(wanted)) {
            return false;
        }
        text_.remove_prefix(1);
        return true;
    }
    auto number(std::size_t digits, int& value) -> bool {
        if (text_.size() < digits) {
            return false;
        }
        for (std::size_t i = 0; i < digits; ++i) {
            if (text_[i] < '0' || text_[i] > '9') {
                return false;
            }
            value = value * 10 + (text_[i] - '0');
        }
        text_.remove_prefix(digits);
        return true;
    }
    auto fraction(std::int64_t& nanos) -> bool {
        if (!is('.')) {
            return true;
        }
        int count = 0;
        for (int digit = 0; count < 9 && number(1, digit); ++count, digit = 0) {
            nanos = nanos * 10 + digit;
        }
        for (int i = count; i < 9; ++i) {
            nanos *= 10;
        }
        return count > 0;
    }
    auto zone(std::int64_t& offset) -> bool {
        if (is('Z') || is('z')) {
            return true;
        }
        const bool behind = text_.starts_with('-');
        int hours = 0, minutes = 0;
        if (!(is('+') || is('-')) || !number(2, hours)) {
            return false;
        }
        is(':'); // some writers leave it out
        if (!number(2, minutes) || hours > 23 || minutes > 59) {
            return false;
        }
        offset = (hours * 3'600 + minutes * 60) * (behind ? -1 : 1);
        return true;
    }

    std::string_view text_;
};

enum class time_reading : unsigned char { ok, no_time, out_of_range };

/// Reads ISO 8601 with `Z` or an offset and up to nine digits of fraction; digits finer than the
/// clock are cut off.
template <class Duration>
[[nodiscard]] auto read_iso_time(std::string_view text, std::chrono::sys_time<Duration>& time)
    -> time_reading {
    using namespace std::chrono;
    const auto parsed = iso_time_parser(text).parse();
    if (!parsed) {
        return time_reading::no_time;
    }
    // A second of margin: the very edge of a clock is not worth exact arithmetic.
    using limits = std::numeric_limits<typename Duration::rep>;
    using unit = duration<long double, typename Duration::period>;
    const long double in_units = unit(duration<long double>(parsed->seconds)).count();
    const long double margin = unit(duration<long double>(1)).count() + 1;
    if (in_units >= static_cast<long double>((limits::max)()) - margin ||
        in_units <= static_cast<long double>(limits::lowest()) + margin) {
        return time_reading::out_of_range;
    }
    if constexpr (std::is_convertible_v<seconds, Duration>) {
        time = sys_time<Duration>(Duration(seconds(parsed->seconds)) +
                                  floor<Duration>(nanoseconds(parsed->nanos)));
    } else {
        time = floor<Duration>(sys_seconds(seconds(parsed->seconds)));
    }
    return time_reading::ok;
}

} // namespace cobus::detail
