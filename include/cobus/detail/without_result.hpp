#pragma once

#include "../net.hpp"

#include <system_error>
#include <utility>

namespace cobus::detail {

/// Completes with the code alone.
template <class Handler> class without_result {
public:
    using executor_type = net::associated_executor_t<Handler, net::any_io_executor>;
    using allocator_type = net::associated_allocator_t<Handler>;
    using cancellation_slot_type = net::associated_cancellation_slot_t<Handler>;

    without_result(Handler handler, const net::any_io_executor& fallback)
        : executor_(net::get_associated_executor(handler, fallback)),
          handler_(std::move(handler)) {}

    [[nodiscard]] auto get_executor() const noexcept -> executor_type { return executor_; }
    [[nodiscard]] auto get_allocator() const noexcept -> allocator_type {
        return net::get_associated_allocator(handler_);
    }
    [[nodiscard]] auto get_cancellation_slot() const noexcept -> cancellation_slot_type {
        return net::get_associated_cancellation_slot(handler_);
    }
    template <class Result> void operator()(std::error_code ec, const Result& /*unused*/) {
        std::move(handler_)(ec);
    }

private:
    executor_type executor_;
    Handler handler_;
};

} // namespace cobus::detail
