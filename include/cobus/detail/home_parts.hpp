#pragma once

#include "../dispatch/registration.hpp"
#include "../error.hpp"
#include "../receipt.hpp"
#include "../transport/transport.hpp"
#include "completion.hpp"
#include "pool.hpp"

#include <atomic>
#include <system_error>
#include <utility>

namespace cobus::detail {

/// What a bus hands to its transport: all of it ends in a wake of the home.
class home_waker final : public waker {
public:
    explicit home_waker(dispatch_host& home) noexcept : home_(&home) {}
    void wake() noexcept override { home_->wake(); }

private:
    dispatch_host* home_;
};

/// An operation of the transport's; the home asks whether it ended.
class home_operation final : public operation {
public:
    explicit home_operation(dispatch_host& home) noexcept : home_(&home) {
        completed = [](operation& self) noexcept {
            auto& me = static_cast<home_operation&>(self);
            me.over_.store(true, std::memory_order_release);
            me.home_->wake();
        };
    }
    /// True once after the end.
    [[nodiscard]] auto take() noexcept -> bool {
        return over_.exchange(false, std::memory_order_acq_rel);
    }

private:
    dispatch_host* home_;
    std::atomic<bool> over_{false};
};

/// Tells an `internal_send` where a user's completion handler would be told.
class internal_waiter final : public completion<std::error_code, receipt> {
public:
    explicit internal_waiter(internal_send& who) noexcept : completion(&run, &drop), who_(&who) {}

private:
    static void run(completion* self, const net::any_io_executor* /*here*/, bool /*inline_allowed*/,
                    std::error_code ec, // NOLINTNEXTLINE(performance-unnecessary-value-param)
                    receipt /*where*/) {
        internal_send* who = static_cast<internal_waiter*>(self)->who_;
        pool_delete(static_cast<internal_waiter*>(self));
        who->sent(ec);
    }
    static void drop(completion* self) noexcept {
        run(self, nullptr, false, make_error_code(errc::closed), receipt());
    }

    internal_send* who_;
};

} // namespace cobus::detail
