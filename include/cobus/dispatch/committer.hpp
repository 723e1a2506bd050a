#pragma once

#include "partitions.hpp"
#include "registration.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace cobus::detail {

/// When to commit what: after a number of finished messages or some time after the first of them;
/// one commit at a time; a refused one is tried again. Home only, but for the completion.
class committer : private operation {
public:
    using clock = std::chrono::steady_clock;

    explicit committer(dispatch_host& host) : host_(&host) {
        completed = [](operation& self) noexcept {
            auto& me = static_cast<committer&>(self);
            me.answered_.store(true, std::memory_order_release);
            me.host_->wake();
        };
    }

    void pace(const stream_traits& traits) noexcept { pace_ = traits; }
    void finished_one(partitions& all, partition_state& of, clock::time_point now) noexcept {
        all.touch(of);
        if (finished_++ == 0) {
            due_ = now + pace_.commit_interval;
        }
    }
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        return finished_ > 0 && !running_ ? due_ : (clock::time_point::max)();
    }
    [[nodiscard]] auto running() const noexcept -> bool { return running_; }

    /// Takes the answer to a commit, if it came.
    void settle(partitions& all, clock::time_point now) {
        if (!running_ || !answered_.load(std::memory_order_acquire)) {
            return;
        }
        running_ = false;
        const bool refused = static_cast<bool>(ec);
        bool of_ours = false;
        all.each_touched([&](partition_state& each) {
            if (each.committing >= 0) {
                of_ours = true;
                if (refused) {
                    finished_ = (std::max<std::size_t>)(finished_, 1); // again, not at once
                    due_ = now + (std::max)(pace_.commit_interval, std::chrono::milliseconds(100));
                } else {
                    each.committed = each.committing;
                }
                each.committing = -1;
            }
        });
        all.forget_committed();
        if (of_ours) { // else the assignment is over, and a refusal as it must be
            say(refused);
        }
    }

    /// Commits what is finished if it is time, or at once if `force`. True while a commit is under
    /// way.
    auto run(stream& where, partitions& all, clock::time_point now, bool force) -> bool {
        if (running_) {
            return true;
        }
        if (finished_ == 0 || !(force || finished_ >= pace_.commit_messages || now >= due_)) {
            return false;
        }
        positions_.clear();
        std::optional<std::uint32_t> epoch;
        bool others = false;
        all.each_touched([&](partition_state& each) {
            if (!each.dirty()) {
                return;
            }
            if (epoch && *epoch != each.epoch) {
                others = true; // a commit belongs to one assignment; those come next
                return;
            }
            epoch = each.epoch;
            each.committing = each.mark.committable();
            positions_.push_back(position{each.where, each.committing, {}});
        });
        if (!others) {
            finished_ = 0;
        }
        if (!epoch) {
            all.forget_committed();
            return false;
        }
        running_ = true;
        answered_.store(false, std::memory_order_relaxed);
        ec.clear();
        where.commit(positions_, *epoch, *this);
        settle(all, now); // it may have been answered at once
        return running_ || others;
    }

private:
    /// Once for a run of failures, and once when it is over.
    void say(bool refused) {
        if (std::exchange(refused_, refused) == refused) {
            return;
        }
        if (refused) {
            host_->log(log_level::warning, "positions are not committed, and tried again until "
                                           "they are: " +
                                               ec.message());
        } else {
            host_->log(log_level::info, "positions are committed again");
        }
    }

    dispatch_host* host_;
    stream_traits pace_;
    std::vector<position> positions_;
    std::size_t finished_ = 0;
    clock::time_point due_{};
    bool running_ = false;
    bool refused_ = false;
    std::atomic<bool> answered_{false};
};

} // namespace cobus::detail
