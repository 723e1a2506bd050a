#pragma once

#include "../message.hpp"
#include "../transport/transport.hpp"
#include "job.hpp"
#include "registration.hpp"

#include <cstdint>
#include <string_view>

namespace cobus {

namespace detail {
template <class E, class F> class batch_handler;
} // namespace detail

/// What a handler may know of the event it is given. Lives as long as the run of the handler.
class context {
public:
    explicit context(detail::job& run) noexcept : run_(&run) {}

    [[nodiscard]] auto content() const noexcept -> const message& {
        return *run_->of->from.content;
    }
    [[nodiscard]] auto topic() const noexcept -> std::string_view {
        return *run_->of->from.where.topic;
    }
    [[nodiscard]] auto partition() const noexcept -> std::int32_t {
        return run_->of->from.where.partition;
    }
    [[nodiscard]] auto offset() const noexcept -> std::int64_t { return run_->of->from.offset; }
    /// 1 for the first try.
    [[nodiscard]] auto attempt() const noexcept -> unsigned { return run_->attempt; }
    /// True when the event came from this process and not through Kafka.
    [[nodiscard]] auto in_process() const noexcept -> bool { return run_->of->from.in_process; }
    [[nodiscard]] auto handler() const noexcept -> std::string_view {
        return run_->handler->name();
    }
    /// Stops the bus without waiting for it, as `bus.request_stop()` does.
    void request_stop() const noexcept { run_->handler->host().request_stop(); }

private:
    template <class E, class F> friend class detail::batch_handler;
    [[nodiscard]] auto batch() const noexcept -> detail::job& { return *run_; }

    detail::job* run_;
};

} // namespace cobus
