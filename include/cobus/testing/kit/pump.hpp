#pragma once

#include "../../net.hpp"
#include "../failure.hpp"
#include "../virtual_clock.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

namespace cobus::testing::detail {

/// Runs a context on the caller's thread, and moves the clock when there is nothing else to do.
class pump {
public:
    using clock = std::chrono::steady_clock;

    pump(net::io_context& context, std::shared_ptr<virtual_clock> time) noexcept
        : context_(&context), time_(std::move(time)) {}

    /// How long something is waited for that is none of the clock's: another thread, a socket.
    void patience(std::chrono::milliseconds real) noexcept { patience_ = real; }

    /// Does what can be done without time passing.
    void settle() {
        std::size_t steps = 0;
        do {
            time_->advance_to(time_->now());
            context_->restart();
            while (context_->poll_one() > 0) {
                if (++steps == most_steps) {
                    throw failure("it does not come to rest: after 10,000,000 steps there still "
                                  "is something to do, though no time has passed");
                }
            }
        } while (time_->next() <= time_->now());
    }
    void advance(clock::duration by) {
        const auto end = time_->now() + by;
        settle();
        while (time_->next() <= end) {
            time_->advance_to(time_->next());
            settle();
        }
        time_->advance_to(end);
        settle();
    }
    /// Until `over()`; false when that does not come within `limit` of the clock's time, or when
    /// nothing happens any more.
    template <class Over> [[nodiscard]] auto until(clock::duration limit, Over over) -> bool {
        const auto end = time_->now() + limit;
        settle();
        while (!over()) {
            const auto next = time_->next();
            if (next <= end) {
                time_->advance_to(next);
            } else if (!wait()) {
                return false;
            }
            settle();
        }
        return true;
    }

private:
    static constexpr std::size_t most_steps = 10'000'000;

    [[nodiscard]] auto wait() -> bool {
        context_->restart();
        return context_->run_one_for(patience_) > 0;
    }

    net::io_context* context_;
    std::shared_ptr<virtual_clock> time_;
    std::chrono::milliseconds patience_{5000};
};

} // namespace cobus::testing::detail
