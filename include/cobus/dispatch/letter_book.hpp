#pragma once

#include "../state.hpp"

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

namespace cobus::detail {

/// What became of a bus's dead letters. The home writes, any thread reads.
class letter_book {
public:
    using clock = std::chrono::steady_clock;

    [[nodiscard]] auto now() const -> dead_letter_health {
        const std::lock_guard lock(guard_);
        return told_;
    }

    void written() {
        const std::lock_guard lock(guard_);
        ++told_.written;
    }
    void parked() {
        const std::lock_guard lock(guard_);
        ++told_.parked;
    }
    /// A letter was refused for the first time, or again with another cause.
    void refused(bool first, std::error_code cause, std::string why, clock::time_point at) {
        const std::lock_guard lock(guard_);
        if (first && told_.waiting++ == 0) {
            told_.since = at;
        }
        told_.cause = cause;
        told_.why = std::move(why);
    }
    /// One that was refused is not any more, or is not needed.
    void settled() {
        const std::lock_guard lock(guard_);
        --told_.waiting;
        clear_if_well();
    }
    /// A partition stands still at a message that nobody takes.
    void stopped(std::string why, clock::time_point at) {
        const std::lock_guard lock(guard_);
        if (told_.waiting == 0 && told_.stopped == 0) {
            told_.since = at;
        }
        ++told_.stopped;
        told_.why = std::move(why);
    }
    void goes_on() {
        const std::lock_guard lock(guard_);
        --told_.stopped;
        clear_if_well();
    }

private:
    void clear_if_well() {
        if (told_.well()) {
            told_.since = {};
            told_.cause.clear();
            told_.why.clear();
        }
    }

    mutable std::mutex guard_;
    dead_letter_health told_;
};

} // namespace cobus::detail
