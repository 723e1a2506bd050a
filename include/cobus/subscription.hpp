#pragma once

#include "detail/submit.hpp"

#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

namespace cobus {

/// A handler's registration. When it goes, no new call begins, running ones are asked to end by
/// their cancellation slot, and what belongs to the handler is kept until the last of them has
/// ended.
class [[nodiscard]] subscription {
    // Before their use: their types are deduced.
    using operation = void (detail::bus_core::*)(detail::registration&,
                                                 detail::bus_core::status_waiter&);

    class start {
    public:
        start(operation what, std::shared_ptr<detail::registration> handler) noexcept
            : what_(what), handler_(std::move(handler)) {}
        void operator()(detail::bus_core& core, detail::bus_core::status_waiter& who) const {
            (core.*what_)(*handler_, who);
        }

    private:
        operation what_;
        std::shared_ptr<detail::registration> handler_;
    };

    template <class Token> auto wait(operation what, Token&& token) {
        auto core = core_.lock();
        if (!core || !handler_) {
            throw error(errc::closed, "the subscription holds no handler, or its bus is gone");
        }
        detail::initiate_status<start> initiation(std::move(core), start(what, handler_));
        return net::async_initiate<Token, void(std::error_code)>(std::move(initiation), token);
    }

public:
    subscription() = default;
    subscription(const std::shared_ptr<detail::bus_core>& core,
                 std::shared_ptr<detail::registration> handler)
        : core_(core), handler_(std::move(handler)) {}
    subscription(subscription&&) noexcept = default;
    auto operator=(subscription&& other) noexcept -> subscription& {
        subscription taken(std::move(other));
        std::swap(core_, taken.core_);
        std::swap(handler_, taken.handler_);
        return *this;
    }
    subscription(const subscription&) = delete;
    auto operator=(const subscription&) -> subscription& = delete;
    ~subscription() {
        if (const auto core = core_.lock(); core && handler_) {
            core->remove(*handler_, nullptr);
        }
    }

    /// The handler's name; empty when this holds none.
    [[nodiscard]] auto name() const noexcept -> std::string_view {
        return handler_ ? std::string_view(handler_->name()) : std::string_view();
    }

    /// Ends the subscription.
    /// Completes when the last run of the handler has ended. So the handler itself must not await
    /// it: there, let the subscription go.
    /// Errors: `errc::closed` when this holds no handler.
    /// Cancellation: none; the subscription is over either way.
    /// Thread safety: any thread, but not two at once for one object.
    template <class Token> auto close(Token&& token) {
        return wait(&detail::bus_core::remove_and_tell, std::forward<Token>(token));
    }
    template <class Executor = net::any_io_executor> auto close()
        -> net::awaitable<void, Executor> {
        return close(net::use_awaitable_t<Executor>());
    }

    /// Completes when the handler receives: its topics are subscribed and assigned.
    /// Errors: `errc::closed` when the subscription or the bus ends before.
    template <class Token> auto ready(Token&& token) {
        return wait(&detail::bus_core::when_ready, std::forward<Token>(token));
    }
    template <class Executor = net::any_io_executor> auto ready()
        -> net::awaitable<void, Executor> {
        return ready(net::use_awaitable_t<Executor>());
    }

private:
    std::weak_ptr<detail::bus_core> core_;
    std::shared_ptr<detail::registration> handler_;
};

} // namespace cobus
