#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

namespace cobus::detail {

/// What waits because a topic does not take it, and what stands still for it, as `Health` has it
/// for users. The home writes, any thread reads.
template <class Health> class trouble_book {
public:
    using clock = std::chrono::steady_clock;

    [[nodiscard]] auto now() const -> Health {
        const std::lock_guard lock(guard_);
        return told_;
    }

    /// Something was refused for the first time, or again with another cause.
    void refused(bool first, std::error_code cause, std::string why, clock::time_point at) {
        const std::lock_guard lock(guard_);
        begins(at);
        told_.waiting += first ? 1 : 0;
        told_.cause = cause;
        told_.why = std::move(why);
    }
    /// What was refused is not any more, or is not needed.
    void settled() {
        const std::lock_guard lock(guard_);
        --told_.waiting;
        clear_if_well();
    }
    /// A partition stands still.
    void stopped(std::error_code cause, std::string why, clock::time_point at) {
        const std::lock_guard lock(guard_);
        begins(at);
        ++told_.stopped;
        told_.cause = cause;
        told_.why = std::move(why);
    }
    void goes_on() {
        const std::lock_guard lock(guard_);
        --told_.stopped;
        clear_if_well();
    }

protected:
    mutable std::mutex guard_;
    Health told_;

private:
    void begins(clock::time_point at) {
        if (told_.well()) {
            told_.since = at;
        }
    }
    void clear_if_well() {
        if (told_.well()) {
            told_.since = {};
            told_.cause.clear();
            told_.why.clear();
        }
    }
};

} // namespace cobus::detail
