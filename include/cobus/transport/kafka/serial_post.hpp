#pragma once

#include "../../detail/home.hpp"
#include "../../net.hpp"
#include "../transport.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
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

    /// Drops the executor: nothing is posted from now on, a posted run does nothing, and one on
    /// another thread is over.
    void close() noexcept {
        {
            const std::lock_guard lock(guard_);
            executor_.reset();
        }
        if (runner_.load(std::memory_order_acquire) != std::this_thread::get_id()) {
            const std::lock_guard wait(running_);
        }
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
        bool more = false;
        {
            const std::lock_guard lock(running_);
            runner_.store(std::this_thread::get_id(), std::memory_order_release);
            (void)word_.begin(); // all its runs are posted
            more = !closed() && drain();
            runner_.store(std::thread::id(), std::memory_order_release);
        }
        if (word_.end(more)) {
            post();
        }
    }

    mutable std::mutex guard_;
    std::optional<net::any_io_executor> executor_;
    home_word word_;
    std::mutex running_; ///< held by a run; runs do not overlap, so only `close` waits for it
    std::atomic<std::thread::id> runner_{};
};

} // namespace cobus::detail::kafka
