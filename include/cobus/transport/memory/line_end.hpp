#pragma once

#include "../../detail/alarm.hpp"
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
                    const transport_options& how)
        : broker_(std::move(broker)),
          account_(std::move(account)),
          executor_(how.executor),
          alarm_(how.executor, how.time) {}

    void begin(std::chrono::steady_clock::time_point deadline) {
        alarm_.set(deadline, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                fail(*self->broker_, *self->account_);
            }
        });
    }
    /// From any thread: what waits keeps the context running no longer.
    void cancel() noexcept {
        try {
            net::post(executor_, [self = shared_from_this()] { self->alarm_.cancel(); });
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
    alarm alarm_;
};

} // namespace cobus::detail
