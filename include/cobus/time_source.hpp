#pragma once

#include "message_id.hpp"

#include <chrono>
#include <functional>
#include <memory>

namespace cobus {

/// Where a bus and what belongs to it read the time and set their alarms, in place of the real
/// clocks: for tests in which hours pass in no time (`testing::virtual_clock`).
///
/// Thread safety: `now` and `wall` from any thread; a bell belongs to one thread at a time.
class time_source {
public:
    using clock = std::chrono::steady_clock;

    /// Rings once at its time, unless it is set anew or destroyed before. It must not ring from
    /// within `set`.
    class bell {
    public:
        bell() = default;
        bell(const bell&) = delete;
        auto operator=(const bell&) -> bell& = delete;
        virtual ~bell() = default;
        virtual void set(clock::time_point due, std::function<void()> ring) = 0;
        virtual void cancel() noexcept = 0;
    };

    time_source() = default;
    time_source(const time_source&) = delete;
    auto operator=(const time_source&) -> time_source& = delete;
    virtual ~time_source() = default;

    [[nodiscard]] virtual auto now() const noexcept -> clock::time_point = 0;
    /// The time of day, for what is published.
    [[nodiscard]] virtual auto wall() const noexcept -> time_point = 0;
    [[nodiscard]] virtual auto make_bell() -> std::unique_ptr<bell> = 0;
};

} // namespace cobus
