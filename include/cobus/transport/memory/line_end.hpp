#pragma once

#include "../../net.hpp"
#include "broker.hpp"

#include <chrono>
#include <memory>
#include <system_error>
#include <utility>

namespace cobus::detail {

/// The deadline of a transport's `stop`: what is still in line then fails.
class memory_line_end : public std::enable_shared_from_this<memory_line_end> {
public:
    memory_line_end(std::shared_ptr<memory_broker> broker, std::shared_ptr<memory_account> account,
                    const net::any_io_executor& executor)
        : broker_(std::move(broker)),
          account_(std::move(account)),
          executor_(executor),
          timer_(executor) {}

    void begin(std::chrono::steady_clock::time_point deadline) {
        timer_.expires_at(deadline);
        timer_.async_wait([self = shared_from_this()](const std::error_code& ec) {
            if (!ec) {
                fail(*self->broker_, *self->account_);
            }
        });
    }
    /// From any thread: what waits keeps the context running no longer.
    void cancel() noexcept {
        try {
            net::post(executor_, [self = shared_from_this()] { self->timer_.cancel(); });
        } catch (...) { // it then ends at the deadline
        }
    }
    static void fail(memory_broker& broker, const memory_account& account) noexcept {
        broker.each_partition([&account](memory_partition& each) {
            each.fail_all(account, make_error_code(errc::timed_out));
        });
    }

private:
    std::shared_ptr<memory_broker> broker_;
    std::shared_ptr<memory_account> account_;
    net::any_io_executor executor_;
    net::steady_timer timer_;
};

} // namespace cobus::detail
