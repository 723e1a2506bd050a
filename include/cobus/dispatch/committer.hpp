#pragma once

#include "partitions.hpp"
#include "registration.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
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
    /// So many more of a partition of which one has just finished.
    void finished_more(std::size_t count) noexcept { finished_ += count; }
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        return finished_ > 0 && !running_ ? due_ : (clock::time_point::max)();
    }
    [[nodiscard]] auto pending() const noexcept -> bool { return finished_ > 0; }
    [[nodiscard]] auto running() const noexcept -> bool { return running_; }

    /// Takes the answer to a commit, if it came.
    void settle(partitions& all, clock::time_point now) {
        if (!running_ || !answered_.load(std::memory_order_acquire)) {
            return;
        }
        running_ = false;
        const bool refused = static_cast<bool>(ec);
        bool of_ours = false;
        bare_ = refused && !bare_; // perhaps only the map is too much for the broker
        all.each_touched([&](partition_state& each) {
            if (each.committing >= 0) {
                of_ours = true;
                if (refused) {
                    finished_ = (std::max<std::size_t>)(finished_, 1); // again, not at once
                    again_ = now + std::chrono::milliseconds(100);
                    due_ = (std::max)(again_, now + pace_.commit_interval);
                } else {
                    each.committed = each.committing;
                }
                each.committing = -1;
            }
        });
        all.forget_committed(pace_.metadata > 0);
        if (of_ours) { // else the assignment is over, and a refusal as it must be
            say(refused);
        }
    }

    /// Commits what is finished if it is time, or at once if `force`. True while a commit is under
    /// way, or a refused one waits for its next try.
    auto run(stream& where, partitions& all, clock::time_point now, bool force) -> bool {
        if (running_) {
            return true;
        }
        if (finished_ == 0 || !(force || finished_ >= pace_.commit_messages || now >= due_)) {
            return false;
        }
        if (now < again_) {
            due_ = (std::min)(due_, again_);
            return true;
        }
        positions_.clear();
        std::optional<std::uint32_t> epoch;
        bool others = false;
        all.each_touched([&](partition_state& each) {
            if (!each.dirty(with_map())) {
                return;
            }
            if (epoch && *epoch != each.epoch) {
                others = true; // a commit belongs to one assignment; those come next
                return;
            }
            epoch = each.epoch;
            each.committing = each.mark.committable();
            positions_.push_back(position{each.where, each.committing, map_of(each)});
            each.map_changed = false;
        });
        if (!others) {
            finished_ = 0;
        }
        if (!epoch) {
            all.forget_committed(pace_.metadata > 0);
            return false;
        }
        running_ = true;
        answered_.store(false, std::memory_order_relaxed);
        ec.clear();
        where.commit(positions_, *epoch, *this);
        settle(all, now); // it may have been answered at once
        return running_ || others || finished_ > 0;
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
    [[nodiscard]] auto with_map() const noexcept -> bool { return pace_.metadata > 0 && !bare_; }
    /// What is finished beyond the position; empty when nothing is, or when it takes too much.
    [[nodiscard]] auto map_of(const partition_state& of) -> std::string {
        if (!with_map()) {
            return std::string();
        }
        of.mark.runs(runs_);
        of.before.extend(runs_, of.committing);
        return write_offset_map(runs_, pace_.metadata);
    }

    dispatch_host* host_;
    stream_traits pace_;
    std::vector<position> positions_;
    offset_runs runs_;
    std::size_t finished_ = 0;
    clock::time_point due_{};
    clock::time_point again_{}; ///< a commit was refused: no other before
    bool running_ = false;
    bool refused_ = false;
    bool bare_ = false; ///< the last commit was refused: the next one goes without a map
    std::atomic<bool> answered_{false};
};

} // namespace cobus::detail
