#pragma once

#include <cobus/codec/iso_time.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace offsets {

/// Where a group is to go on.
struct target {
    enum class kind : unsigned char { earliest, latest, time };

    kind what = kind::earliest;
    std::int64_t milliseconds = 0; ///< since 1970: the first message of that time or later
};

/// Of "earliest", "latest", or a time in UTC without `Z` that may end after the month or later.
[[nodiscard]] inline auto read_target(std::string_view text) -> std::optional<target> {
    if (text == "earliest" || text == "latest") {
        return target{text == "latest" ? target::kind::latest : target::kind::earliest};
    }
    constexpr std::string_view first_moment = "0000-01-01T00:00:00.000Z";
    std::string whole(text);
    whole += first_moment.substr((std::min)(text.size(), first_moment.size() - 1));
    std::chrono::sys_time<std::chrono::milliseconds> time;
    if (text.size() < std::string_view("0000-01").size() ||
        cobus::detail::read_iso_time(whole, time) != cobus::detail::time_reading::ok) {
        return std::nullopt;
    }
    return target{target::kind::time, time.time_since_epoch().count()};
}

} // namespace offsets
