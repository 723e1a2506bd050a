#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace cobus::detail {

/// What a blocking call is for. Those of one purpose may wait for each other.
enum class helps : unsigned char {
    work,   ///< what has to be done: where a group starts, topics to be made
    file,   ///< of a spool: who publishes waits for it, and it for nothing of Kafka's
    ask,    ///< while a part of Kafka seems to be away: questions that may get no answer
    commit, ///< transactions: a fifth of a second each while Kafka is away
    leave,  ///< a group: each takes two seconds while Kafka is away, and others start meanwhile
    end,    ///< of librdkafka's clients: that of a consumer may hang for good
};

/// The helper of this process for calls that block. Those of one purpose run in order, one at a
/// time; none waits for another purpose's. That is one thread as long as calls do not overlap, and
/// one more for each purpose that has to pass a call that blocks. A thread comes with the work and
/// goes when it had none for a second. It is given nothing of a user's: no logger, no executor, no
/// message. When the process ends there is one second for what is left; what is still stuck then
/// is leaked deliberately.
class helper {
public:
    helper(const helper&) = delete;
    auto operator=(const helper&) -> helper& = delete;

    /// Runs the work on a helper thread, behind what has the same purpose. False: there is no
    /// thread and no memory for it.
    static auto run(helps purpose, std::function<void()> work) noexcept -> bool {
        try {
            helper& self = instance();
            const std::lock_guard lock(self.guard_);
            self.take(self.of(purpose), std::move(work));
            return true;
        } catch (...) {
            return false;
        }
    }

    /// True when everything handed over so far for that purpose was done within the time.
    static auto drained(helps purpose, std::chrono::milliseconds limit) -> bool {
        helper& self = instance();
        const calls& those = self.of(purpose);
        std::unique_lock lock(self.guard_);
        return self.done_.wait_for(lock, limit, [&those] { return those.idle(); });
    }

private:
    struct calls {
        std::deque<std::function<void()>> waiting;
        bool running = false;

        [[nodiscard]] auto ready() const -> bool { return !waiting.empty() && !running; }
        [[nodiscard]] auto idle() const -> bool { return waiting.empty() && !running; }
    };
    static constexpr std::size_t purposes = static_cast<std::size_t>(helps::end) + 1;

    struct at_exit {
        ~at_exit() {
            helper& self = instance();
            std::unique_lock lock(self.guard_);
            (void)self.done_.wait_for(lock, std::chrono::seconds(1), [&self] {
                return std::all_of(self.calls_.begin(), self.calls_.end(),
                                   [](const calls& each) { return each.idle(); });
            });
        }
    };

    helper() = default;

    static auto instance() -> helper& {
        static auto* const self = new helper; // a thread may outlive all static objects
        static const at_exit last;
        return *self;
    }

    [[nodiscard]] auto of(helps purpose) -> calls& {
        return calls_[static_cast<std::size_t>(purpose)]; // NOLINT: one for each
    }
    [[nodiscard]] auto next_ready() {
        return std::find_if(calls_.begin(), calls_.end(),
                            [](const calls& each) { return each.ready(); });
    }

    /// There are always as many free threads as purposes that have a call to begin.
    void take(calls& those, std::function<void()> work) {
        those.waiting.push_back(std::move(work));
        const auto ready = std::count_if(calls_.begin(), calls_.end(),
                                         [](const calls& each) { return each.ready(); });
        if (free_ < static_cast<std::size_t>(ready)) {
            try {
                std::thread([this] { loop(); }).detach();
            } catch (...) {
                those.waiting.pop_back();
                throw;
            }
            ++free_;
        }
        more_.notify_one();
    }

    void loop() {
        constexpr std::chrono::seconds patience(1);
        std::unique_lock lock(guard_);
        while (more_.wait_for(lock, patience, [this] { return next_ready() != calls_.end(); })) {
            calls& those = *next_ready();
            std::function<void()> next = std::move(those.waiting.front());
            those.waiting.pop_front();
            those.running = true;
            --free_;
            lock.unlock();
            next();
            next = nullptr;
            lock.lock();
            those.running = false;
            ++free_;
            done_.notify_all();
        }
        --free_;
    }

    std::mutex guard_;
    std::condition_variable more_;
    std::condition_variable done_;
    std::array<calls, purposes> calls_;
    std::size_t free_ = 0; ///< threads that run no call
};

} // namespace cobus::detail
