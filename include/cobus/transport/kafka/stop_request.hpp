#pragma once

#include "../../detail/helper.hpp"
#include "../transport.hpp"
#include "client.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace cobus::detail::kafka {

/// What a `stop` asked for, until it is told that all is over. Any thread.
class stop_request {
public:
    using clock = std::chrono::steady_clock;

    void ask(clock::time_point deadline, operation& done) noexcept {
        const std::lock_guard lock(guard_);
        done_ = &done;
        deadline_ = deadline;
    }
    /// Nothing: nobody stops.
    [[nodiscard]] auto deadline() const noexcept -> std::optional<clock::time_point> {
        const std::lock_guard lock(guard_);
        return done_ != nullptr ? std::optional(deadline_) : std::nullopt;
    }
    [[nodiscard]] auto take() noexcept -> operation* {
        const std::lock_guard lock(guard_);
        return std::exchange(done_, nullptr);
    }

private:
    mutable std::mutex guard_;
    operation* done_ = nullptr;
    clock::time_point deadline_{};
};

/// Sends what waits in the client to become a larger batch. Of the runs.
class lingering {
public:
    using clock = std::chrono::steady_clock;

    explicit lingering(bool lingers) noexcept : lingers_(lingers) {}

    /// Returns when to call it again; far away: never.
    auto send(const std::shared_ptr<client>& of, clock::time_point now) noexcept
        -> clock::time_point {
        if (!lingers_) {
            return (clock::time_point::max)();
        }
        if (now >= again_) {
            again_ = now + flush_time;
            (void)helper::run(helps::work, [client = of] {
                rd_kafka_flush(client->get(), static_cast<int>(flush_time.count()));
            });
        }
        return again_;
    }

private:
    static constexpr std::chrono::milliseconds flush_time{1000};

    bool lingers_;
    clock::time_point again_{};
};

} // namespace cobus::detail::kafka
