#pragma once

#include "committer.hpp"
#include "match.hpp"
#include "partitions.hpp"
#include "retry_lot.hpp"
#include "runner.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cobus::detail {

/// Partitions that go elsewhere. Of revoked ones nothing is begun any more; what runs may end until
/// a limit, is committed, and then they are given up. Lost ones are gone at once. Home only.
class departures {
public:
    using clock = std::chrono::steady_clock;

    departures(dispatch_host& host, partitions& all, committer& commits, runner& runs)
        : host_(&host), partitions_(&all), commits_(&commits), runner_(&runs) {}
    departures(const departures&) = delete;
    auto operator=(const departures&) -> departures& = delete;

    /// Those partitions were revoked.
    void begin(const polled& what, clock::time_point deadline) {
        leaves_.push_back({what.epoch, deadline});
        partitions_->each(what.partitions, [&](partition_state& leaving) {
            leaving.leaving = leaving.ending = true;
            leaving.leave_epoch = what.epoch;
            drop_waiting(leaving);
        });
    }
    /// Those partitions are gone already.
    void lose(stream& from, const polled& what) {
        partitions_->each(what.partitions, [this](partition_state& each) { abandon(each); });
        runner_->cancel_abandoned();
        const auto gone = [&what](const partition_state& each) {
            return std::find(what.partitions.begin(), what.partitions.end(), each.where) !=
                   what.partitions.end();
        };
        runner_->retries().leave(gone);
        partitions_->drop_if(gone);
        from.settled(what.epoch);
    }
    /// Gives revoked partitions up once their handlers have ended, or had their time.
    void step(stream& from, clock::time_point now) {
        for (std::size_t i = 0; i < leaves_.size();) {
            if (leave_now(leaves_[i], from, now)) {
                const std::uint32_t epoch = leaves_[i].epoch;
                leaves_.erase(leaves_.begin() + static_cast<std::ptrdiff_t>(i));
                from.settled(epoch);
                host_->wake();
            } else {
                ++i;
            }
        }
    }
    /// When `step` has something to do without being woken.
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        auto next = (clock::time_point::max)();
        for (const leave& each : leaves_) {
            next = (std::min)(next, each.deadline);
        }
        return next;
    }

    /// Nothing of the partition counts as handled from now on; what has not begun never will.
    void abandon(partition_state& partition) {
        partition.ending = true;
        for (record* each = partition.records; each != nullptr; each = each->next) {
            each->abandoned = true;
        }
        runner_->drop_waiting([](const job& each) { return each.of->abandoned; });
    }
    /// What has not begun is left to the next owner; what runs may still count as handled.
    void drop_waiting(const partition_state& partition) {
        runner_->drop_waiting([&partition](const job& each) {
            each.of->abandoned = each.of->abandoned || each.of->partition == &partition;
            return each.of->partition == &partition;
        });
    }

    /// Which partitions no handler reads any more.
    void look(const match_table& handlers) {
        partitions_->each([&handlers](partition_state& each) {
            const bool follows = each.lot != nullptr && !each.lot->gone;
            each.unread = !handlers.reads((follows ? *each.lot->main : each).where.topic);
        });
    }
    /// A handler is gone.
    void drop_waiting(registration& gone) {
        runner_->drop_waiting([&gone](const job& each) {
            if (each.handler == &gone) {
                give_up(each);
            }
            return each.handler == &gone;
        });
        runner_->retries().forget(gone);
    }

private:
    /// Partitions on their way to another member.
    struct leave {
        std::uint32_t epoch;
        clock::time_point deadline;
    };

    [[nodiscard]] auto leave_now(const leave& which, stream& from, clock::time_point now) -> bool {
        const auto going = [&which](const partition_state& each) {
            return each.leaving && each.leave_epoch == which.epoch;
        };
        std::size_t busy = 0;
        partitions_->each(
            [&](const partition_state& each) { busy += going(each) ? each.in_flight : 0; });
        const bool late = now >= which.deadline;
        if (!late && (busy > 0 || commits_->run(from, *partitions_, now, true))) {
            return false;
        }
        if (busy > 0) {
            commits_->run(from, *partitions_, now, true);
            partitions_->each([&](partition_state& each) {
                if (going(each)) {
                    abandon(each);
                }
            });
            runner_->cancel_abandoned();
        }
        runner_->retries().leave(going);
        partitions_->drop_if(going);
        return true;
    }

    dispatch_host* host_;
    partitions* partitions_;
    committer* commits_;
    runner* runner_;
    std::vector<leave> leaves_;
};

} // namespace cobus::detail
