#pragma once

#include <CLI/CLI.hpp>

#include <regex>
#include <string>

namespace tools {

/// A time in UTC as far as it is said, so that it compares as text with whole ones.
[[nodiscard]] inline auto utc_time() -> CLI::Validator {
    return {[](std::string& text) -> std::string {
                static const std::regex form(
                    "\\d{4}-\\d\\d(-\\d\\d(T\\d\\d(:\\d\\d(:\\d\\d(\\.\\d{1,3})?)?)?)?)?Z?");
                if (!std::regex_match(text, form)) {
                    return "'" + text + "' is no time in UTC such as 2026-11-21T09:00Z";
                }
                if (text.back() == 'Z') {
                    text.pop_back();
                }
                return {};
            },
            "TIME"};
}

} // namespace tools
