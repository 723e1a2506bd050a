#pragma once

#include "../../detail/home.hpp"
#include "../../net.hpp"
#include "../transport.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace cobus::detail::kafka {

/// Something that runs on an executor when it is woken, one run at a time, however often and from
/// wherever it is woken, also from C frames under librdkafka's locks. Posted runs keep it alive.
class serial_post : public waker, public std::enable_shared_from_this<serial_post> {
public:
    explicit serial_post(net::any_io_executor executor) : executor_(std::move(executor)) {}
    virtual ~serial_post() = default;

    void wake() noexcept final {
        if (word_.wake()) {
            post();
        }
    }

    /// Drops the executor: nothing is posted from now on, and a posted run does nothing.
    void close() noexcept {
        const std::lock_guard lock(guard_);
        executor_.reset();
    }
    [[nodiscard]] auto closed() const noexcept -> bool {
        const std::lock_guard lock(guard_);
        return !executor_.has_value();
    }

protected:
    /// True: there is more to do, run again.
    virtual auto drain() noexcept -> bool = 0;

private:
    void post() noexcept {
        try {
            const std::lock_guard lock(guard_);
            if (executor_) {
                net::post(*executor_, [self = shared_from_this()] { self->run(); });
            }
        } catch (...) { // no memory: the next wake, at the latest the keep-alive's, tries again
            word_.not_posted();
        }
    }
    void run() noexcept {
        word_.begin();
        const bool more = !closed() && drain();
        if (word_.end(more)) {
            post();
        }
    }

    mutable std::mutex guard_;
    std::optional<net::any_io_executor> executor_;
    home_word word_;
};

} // namespace cobus::detail::kafka
