#pragma once

#include "../../detail/alarm.hpp"
#include "../../detail/home.hpp"
#include "../../net.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace cobus::detail {

/// What `failover` needs of the world: the time, a place to run, and an alarm. Tests bring their
/// own, so that hours pass in no time.
class failover_runtime {
public:
    using clock = std::chrono::steady_clock;

    /// What is run, one at a time.
    class home {
    public:
        home() = default;
        home(const home&) = delete;
        auto operator=(const home&) -> home& = delete;
        /// True: there is more to do, run again soon.
        virtual auto run(clock::time_point now) noexcept -> bool = 0;

    protected:
        ~home() = default;
    };

    failover_runtime() = default;
    failover_runtime(const failover_runtime&) = delete;
    auto operator=(const failover_runtime&) -> failover_runtime& = delete;
    virtual ~failover_runtime() = default;

    virtual void open(home& who) = 0;
    [[nodiscard]] virtual auto now() const noexcept -> clock::time_point = 0;
    /// Runs the home soon, never inline. From any thread; several calls may count as one.
    virtual void wake() noexcept = 0;
    /// Runs the home at that time at the latest; the last call counts. From the home only.
    virtual void ring_at(clock::time_point due) noexcept = 0;
    /// Afterwards the home is not run any more. Not from the home.
    virtual void close() noexcept = 0;
};

/// On an executor: a posted job when there is something to do, and one timer; no thread.
class executor_runtime final : public failover_runtime {
public:
    executor_runtime(const net::any_io_executor& executor, const std::shared_ptr<time_source>& time)
        : shared_(std::make_shared<block>(executor, time)) {}

    void open(home& who) override {
        const std::lock_guard lock(shared_->guard);
        shared_->who = &who;
        shared_->closed.store(false, std::memory_order_release);
    }
    [[nodiscard]] auto now() const noexcept -> clock::time_point override { return shared_->now(); }
    void wake() noexcept override { shared_->wake(); }
    void ring_at(clock::time_point due) noexcept override { shared_->ring_at(due); }
    void close() noexcept override {
        shared_->closed.store(true, std::memory_order_release);
        const std::lock_guard lock(shared_->guard); // waits for a run on another thread
        shared_->who = nullptr;
        shared_->bell.reset();
    }

private:
    /// Outlives the runtime in jobs that are posted already.
    struct block : std::enable_shared_from_this<block> {
        block(const net::any_io_executor& on, const std::shared_ptr<time_source>& from)
            : executor(on), time(from), bell(std::in_place, on, from) {}

        [[nodiscard]] auto now() const noexcept -> clock::time_point {
            return time == nullptr ? clock::now() : time->now();
        }
        void wake() noexcept {
            if (!closed.load(std::memory_order_acquire) && word.wake()) {
                post();
            }
        }
        void post() noexcept {
            try {
                net::post(executor, [self = shared_from_this()] { self->run(); });
            } catch (...) { // no memory: the next wake tries again
                word.not_posted();
            }
        }
        void run() {
            bool more = false;
            {
                const std::lock_guard lock(guard);
                (void)word.begin(); // all its runs are posted
                if (who == nullptr) {
                    return;
                }
                const auto at = now();
                bell->rang(at);
                more = who->run(at);
            }
            if (word.end(more)) {
                post();
            }
        }
        void ring_at(clock::time_point due) noexcept {
            try {
                bell->set(due, [self = weak_from_this()] {
                    if (const auto alive = self.lock()) {
                        alive->wake();
                    }
                });
            } catch (...) { // no memory for the timer: look again instead
                wake();
            }
        }

        net::any_io_executor executor;
        std::shared_ptr<time_source> time;
        std::mutex guard; ///< held during a run, so that `close` ends only between runs
        home* who = nullptr;
        std::optional<alarm> bell;
        home_word word;
        std::atomic<bool> closed{true};
    };

    std::shared_ptr<block> shared_;
};

} // namespace cobus::detail
