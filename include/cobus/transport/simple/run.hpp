#pragma once

#include "../../net.hpp"

#include <exception>
#include <memory>
#include <utility>

namespace cobus::detail {

/// A coroutine on a strand that can be asked to end. Used on the strand only.
class cancellable_run {
public:
    void spawn(const net::any_io_executor& strand, net::awaitable<void> what) {
        signal_ = std::make_shared<net::cancellation_signal>();
        net::co_spawn(strand, std::move(what),
                      net::bind_cancellation_slot(signal_->slot(), keeper(signal_)));
    }
    void cancel() {
        if (signal_) {
            signal_->emit(net::cancellation_type::terminal);
        }
    }

private:
    /// Keeps the signal for as long as the coroutine listens to it.
    class keeper {
    public:
        explicit keeper(std::shared_ptr<net::cancellation_signal> signal)
            : signal_(std::move(signal)) {}
        void operator()(const std::exception_ptr& /*caught inside*/) const noexcept {}

    private:
        std::shared_ptr<net::cancellation_signal> signal_;
    };

    std::shared_ptr<net::cancellation_signal> signal_;
};

} // namespace cobus::detail
