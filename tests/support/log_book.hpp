#pragma once

#include <cobus/log.hpp>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::test {

/// Keeps log lines with their levels, from any thread; those for debugging are left out.
class log_book {
public:
    struct line {
        log_level level;
        std::string text;
    };

    /// Must not outlive this object.
    [[nodiscard]] auto logger() -> cobus::logger {
        return [this](log_level level, std::string_view text) {
            if (level != log_level::debug) {
                const std::lock_guard lock(guard_);
                lines_.push_back(line{level, std::string(text)});
            }
        };
    }

    [[nodiscard]] auto lines() const -> std::vector<line> {
        const std::lock_guard lock(guard_);
        return lines_;
    }
    /// Those that contain the text.
    [[nodiscard]] auto with(std::string_view part) const -> std::vector<line> {
        std::vector<line> found = lines();
        std::erase_if(found,
                      [part](const line& each) { return each.text.find(part) == each.text.npos; });
        return found;
    }
    [[nodiscard]] auto of(log_level level) const -> std::vector<line> {
        std::vector<line> found = lines();
        std::erase_if(found, [level](const line& each) { return each.level != level; });
        return found;
    }
    /// For the message of a failed test.
    [[nodiscard]] auto text() const -> std::string {
        std::string all;
        for (const line& each : lines()) {
            all.append(to_string(each.level)).append(": ").append(each.text).append("\n");
        }
        return all;
    }

private:
    mutable std::mutex guard_;
    std::vector<line> lines_;
};

} // namespace cobus::test
