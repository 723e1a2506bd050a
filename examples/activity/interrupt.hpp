#pragma once

#include <cobus/net.hpp>

#include <asio/signal_set.hpp>

#include <csignal>
#include <system_error>
#include <utility>

namespace activity {

/// Calls a function once, when the user interrupts the program, until it is told to let go.
class interrupt {
public:
    template <class F>
    interrupt(const cobus::net::any_io_executor& executor, F what)
        : signals_(executor, SIGINT, SIGTERM) {
        signals_.async_wait([what = std::move(what)](std::error_code failed, int /*signal*/) {
            if (!failed) {
                what();
            }
        });
    }
    void let_go() { signals_.cancel(); }

private:
    asio::signal_set signals_;
};

} // namespace activity
