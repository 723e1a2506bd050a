#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <string_view>

namespace cobus {

enum class log_level : unsigned char { debug, info, warning, error };

[[nodiscard]] constexpr auto to_string(log_level level) noexcept -> std::string_view {
    switch (level) {
    case log_level::debug:
        return "debug";
    case log_level::info:
        return "info";
    case log_level::warning:
        return "warning";
    case log_level::error:
        return "error";
    }
    return "?";
}

/// Where cobus's few log lines go. Called from any thread, also from librdkafka's; must not block
/// for long. What it throws is swallowed. Secrets never reach it.
using logger = std::function<void(log_level, std::string_view)>;

/// Writes `cobus: warning: …` lines to the standard error stream, from `info` upwards.
[[nodiscard]] inline auto stderr_logger() -> logger {
    return [](log_level level, std::string_view text) {
        if (level == log_level::debug) {
            return;
        }
        std::string line("cobus: ");
        line.append(to_string(level)).append(": ").append(text).append("\n");
        std::fwrite(line.data(), 1, line.size(), stderr); // one write: lines of threads do not mix
    };
}

namespace detail {

inline void write_log(const logger& log, log_level level, std::string_view text) noexcept {
    try {
        if (log) {
            log(level, text);
        }
    } catch (...) { // a broken logger must not break the bus
    }
}

} // namespace detail
} // namespace cobus
