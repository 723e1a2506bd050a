#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace cobus::detail {

enum class helps : unsigned char {
    work,  ///< with what has to be done: where a group starts, topics to be made
    file,  ///< of a spool: who publishes waits for it, and it for nothing of Kafka's
    ask,   ///< while a part of Kafka seems to be away: questions that may get no answer
    leave, ///< a group: each takes two seconds while Kafka is away, and others start meanwhile
    end,   ///< of librdkafka's clients: that of a consumer may hang for good
};

/// The one thread of this process for calls that block, for each purpose. It is given nothing of a
/// user's: no logger, no executor, no message. It comes with the work and goes when there was none
/// for a second. When the process ends it gets one second for what is left and is leaked
/// deliberately if it is still stuck.
template <helps Purpose> class helper {
public:
    helper(const helper&) = delete;
    auto operator=(const helper&) -> helper& = delete;

    /// Runs the work on the helper thread, in order. False: there is no thread and no memory for
    /// it.
    static auto run(std::function<void()> work) noexcept -> bool {
        try {
            helper& self = instance();
            const std::lock_guard lock(self.guard_);
            self.work_.push_back(std::move(work));
            if (!self.started_) {
                self.start();
            }
            self.changed_.notify_all();
            return true;
        } catch (...) {
            return false;
        }
    }

    /// True when everything handed over so far was done within the time.
    static auto drained(std::chrono::milliseconds limit) -> bool {
        helper& self = instance();
        std::unique_lock lock(self.guard_);
        return self.changed_.wait_for(lock, limit,
                                      [&self] { return self.work_.empty() && !self.busy_; });
    }

private:
    helper() = default;

    struct at_exit {
        ~at_exit() { (void)drained(std::chrono::seconds(1)); }
    };

    static auto instance() -> helper& {
        static auto* const self = new helper; // the thread may outlive all static objects
        static const at_exit last;
        return *self;
    }

    void start() {
        try {
            std::thread([this] { loop(); }).detach();
            started_ = true;
        } catch (...) {
            work_.pop_back();
            throw;
        }
    }
    void loop() {
        constexpr std::chrono::seconds patience(1);
        std::unique_lock lock(guard_);
        for (;;) {
            if (!changed_.wait_for(lock, patience, [this] { return !work_.empty(); })) {
                started_ = false;
                return;
            }
            std::function<void()> next = std::move(work_.front());
            work_.pop_front();
            busy_ = true;
            lock.unlock();
            next();
            next = nullptr;
            lock.lock();
            busy_ = false;
            changed_.notify_all();
        }
    }

    std::mutex guard_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> work_;
    bool started_ = false;
    bool busy_ = false;
};

using helper_thread = helper<helps::work>;
using filing_thread = helper<helps::file>;
using leaving_thread = helper<helps::leave>;
using asking_thread = helper<helps::ask>;
using ending_thread = helper<helps::end>;

} // namespace cobus::detail
