#pragma once

#include "../../error.hpp"
#include "../../transport/transport.hpp"
#include "../faults.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace cobus::testing::detail {

/// Loses its partitions, or has to give them up, when a script says so. Behind it is a subscription
/// of the transport's, which is left then for a new one, as a member is that its group threw out.
class lossy_stream final : public stream {
public:
    using subscribe = std::function<std::unique_ptr<stream>(const interest&)>;

    lossy_stream(subscribe make, interest wanted, fault_script script)
        : make_(std::move(make)),
          wanted_(std::move(wanted)),
          script_(std::move(script)),
          seen_(script_.rebalances()),
          now_{make_(wanted_), 0} {}

    [[nodiscard]] auto traits() const noexcept -> stream_traits override {
        return now_.from->traits();
    }
    // Without memory a test may end. NOLINTNEXTLINE(bugprone-exception-escape)
    auto poll(std::span<delivery> room) noexcept -> polled override {
        if (leaving_ && (!settled_ || is_committing())) {
            return polled();
        }
        if (leaving_) {
            leave();
        }
        const auto told = script_.rebalances();
        if (std::exchange(seen_, told) != told && !assigned_.empty() && !closing_) {
            leaving_ = true;
            going_ = std::exchange(assigned_, {});
            polled what;
            what.what = script_.last_was_loss() ? signal::lost : signal::revoked;
            what.epoch = outer(own_epoch);
            what.partitions = going_;
            return what;
        }
        polled got = now_.from->poll(room);
        got.epoch = outer(got.epoch);
        note(got);
        for (delivery& each : room.first(got.what == signal::messages ? got.count : 0)) {
            each.epoch = outer(each.epoch);
            ++now_.out;
        }
        return got;
    }
    void give_back(std::span<delivery> finished) noexcept override {
        for (delivery& each : finished) {
            subscription_to& from = of(each.epoch);
            delivery inner = each;
            inner.epoch = each.epoch & own_epoch;
            from.from->give_back(std::span(&inner, 1));
            --from.out;
        }
        std::erase_if(left_, [](const auto& each) { return each.second.out == 0; });
    }
    void hold(const topic_partition& where, bool held) noexcept override {
        now_.from->hold(where, held);
    }
    // Without memory a test may end. NOLINTNEXTLINE(bugprone-exception-escape)
    void commit(std::span<const position> positions, std::uint32_t epoch,
                operation& done) noexcept override {
        if (epoch >> bits != generation_) {
            done.ec = make_error_code(errc::not_assigned);
            done.completed(done);
            return;
        }
        (void)is_committing();
        now_.from->commit(positions, epoch & own_epoch, commits_.emplace_back(done));
    }
    void settled(std::uint32_t epoch) noexcept override {
        if (leaving_ && epoch == outer(own_epoch)) {
            settled_ = true; // it goes with the next poll, when no commit is under way
        } else if (epoch >> bits == generation_) {
            now_.from->settled(epoch & own_epoch);
        }
    }
    void update(const interest& wanted) noexcept override {
        wanted_ = wanted;
        now_.from->update(wanted);
    }
    [[nodiscard]] auto receives() const noexcept -> bool override {
        return !leaving_ && now_.from->receives();
    }
    void handled(const topic_partition& where, std::int64_t below) noexcept override {
        now_.from->handled(where, below);
    }
    void drain() noexcept override { now_.from->drain(); }
    void close(operation& done) noexcept override {
        closing_ = true;
        now_.from->close(done);
    }
    void abandon() noexcept override { now_.from->abandon(); }

private:
    static constexpr unsigned bits = 20;
    static constexpr std::uint32_t own_epoch = (1U << bits) - 1;

    struct subscription_to {
        std::unique_ptr<stream> from;
        std::size_t out = 0; ///< deliveries that were not given back
    };

    /// A subscription that is left would not tell how its commits ended.
    struct commit_relay : operation {
        explicit commit_relay(operation& to) noexcept : outer(&to) {
            completed = [](operation& self) noexcept {
                auto& me = static_cast<commit_relay&>(self);
                operation& told = *me.outer;
                told.ec = me.ec;
                me.over.store(true, std::memory_order_release); // and gone, perhaps
                told.completed(told);                           // which has the stream polled
            };
        }
        operation* outer;
        std::atomic<bool> over{false};
    };

    [[nodiscard]] auto is_committing() noexcept -> bool {
        while (!commits_.empty() && commits_.front().over.load(std::memory_order_acquire)) {
            commits_.pop_front();
        }
        return !commits_.empty();
    }
    [[nodiscard]] auto outer(std::uint32_t epoch) const noexcept -> std::uint32_t {
        return generation_ << bits | (epoch & own_epoch);
    }
    [[nodiscard]] auto of(std::uint32_t epoch) noexcept -> subscription_to& {
        const auto found = std::find_if(left_.begin(), left_.end(), [&](const auto& each) {
            return each.first == epoch >> bits;
        });
        return found != left_.end() ? found->second : now_;
    }
    void note(const polled& got) {
        if (got.what == signal::assigned) {
            assigned_.insert(assigned_.end(), got.partitions.begin(), got.partitions.end());
        } else if (got.what == signal::revoked || got.what == signal::lost) {
            for (const topic_partition& each : got.partitions) {
                std::erase(assigned_, each);
            }
        }
    }
    void leave() {
        leaving_ = false;
        settled_ = false;
        if (closing_) { // which the subscription is about to tell of
            return;
        }
        now_.from->abandon();
        if (now_.out > 0) {
            left_.emplace_back(generation_, std::move(now_));
        }
        ++generation_;
        now_ = subscription_to{make_(wanted_), 0};
    }

    subscribe make_;
    interest wanted_;
    fault_script script_;
    std::size_t seen_;
    subscription_to now_;
    std::vector<std::pair<std::uint32_t, subscription_to>> left_; ///< by generation
    std::vector<topic_partition> assigned_;
    std::vector<topic_partition> going_;
    std::uint32_t generation_ = 0;
    std::deque<commit_relay> commits_; ///< in their order
    bool leaving_ = false;             ///< the partitions go
    bool settled_ = false;             ///< nobody reads them any more
    bool closing_ = false;
};

} // namespace cobus::testing::detail
