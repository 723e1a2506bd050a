#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Gathers items into batches, by count and by time, so that the items of one lane begin in their
/// order and are never in two batches at once. One batch may hold several items of a lane, one
/// behind the other. Pure. `T` has `lane` and `alone`: an item that is to be a batch of its own.
template <class T> class batches {
public:
    using clock = std::chrono::steady_clock;

    /// What became of an item of a batch.
    enum class fate : unsigned char {
        under_way, ///< still runs: its lane stays taken
        finished,  ///< its lane may go on
        kept,      ///< its lane waits for it, until `back` or `leave`
        again,     ///< it is the next of its lane
        gone,      ///< it may not run again, whatever is before it; its lane may go on
    };

    batches(std::size_t count, std::chrono::nanoseconds within) : count_(count), within_(within) {}

    void add(T& item, clock::time_point now) {
        const auto lane = taken_.find(item.lane);
        if (lane != taken_.end()) {
            lane->second.behind.push_back(&item);
        } else {
            forming_.emplace_back(now, &item);
        }
    }
    /// A kept item is to be tried again; those behind it follow.
    void back(T& item, clock::time_point now) {
        lane_state& lane = taken_.at(item.lane);
        lane.keeps = nullptr;
        lane.behind.push_front(&item);
        release(item.lane, now);
    }
    /// An item is over, by whatever way. Only a kept one holds its lane.
    void leave(T& item, clock::time_point now) {
        const auto lane = taken_.find(item.lane);
        if (lane != taken_.end() && lane->second.keeps == &item) {
            lane->second.keeps = nullptr;
            release(item.lane, now);
        }
    }
    /// From now on nobody waits for more to come.
    void hurry() noexcept { within_ = std::chrono::nanoseconds(0); }

    /// When there is a batch; `max` when there is nothing.
    [[nodiscard]] auto ready() const noexcept -> clock::time_point {
        if (!alone_.empty() || forming_.size() >= count_) {
            return (clock::time_point::min)();
        }
        return forming_.empty() ? (clock::time_point::max)() : forming_.front().first + within_;
    }
    /// The next batch, in the order of arrival; its lanes are taken until `settle`.
    [[nodiscard]] auto take() -> std::vector<T*> {
        std::vector<T*> batch;
        if (!alone_.empty()) {
            batch.push_back(alone_.front());
            alone_.pop_front();
            lane_state& lane = taken_.at(batch.back()->lane);
            lane.keeps = nullptr;
            lane.busy = true;
            return batch;
        }
        batch.reserve((std::min)(count_, forming_.size()));
        while (!forming_.empty() && batch.size() < count_) {
            batch.push_back(forming_.front().second);
            forming_.pop_front();
            taken_[batch.back()->lane].busy = true;
        }
        const auto follows = [this](const entry& each) {
            const auto lane = taken_.find(each.second->lane);
            if (lane == taken_.end()) {
                return false;
            }
            lane->second.behind.push_back(each.second);
            return true;
        };
        forming_.erase(std::remove_if(forming_.begin(), forming_.end(), follows), forming_.end());
        return batch;
    }
    /// Decides about a batch, or a part of it. What is behind an item of its lane that has to run
    /// yet becomes `again`, and so it runs after that item, a second time if need be: a repeat
    /// instead of a wrong order. So does an item to be kept behind one under way.
    void settle(std::span<T* const> batch, std::span<fate> fates, clock::time_point now) {
        for (T* each : batch) {
            taken_.at(each->lane).busy = false;
        }
        for (std::size_t i = 0; i < batch.size(); ++i) {
            lane_state& lane = taken_.at(batch[i]->lane);
            if (fates[i] == fate::gone) {
                continue;
            }
            if (lane.stopped || (fates[i] == fate::kept && lane.busy)) {
                fates[i] = fate::again;
            }
            lane.stopped = lane.stopped || fates[i] == fate::kept || fates[i] == fate::again;
            lane.busy = lane.busy || fates[i] == fate::under_way;
            lane.keeps = fates[i] == fate::kept ? batch[i] : lane.keeps;
        }
        for (std::size_t i = batch.size(); i-- > 0;) { // from the last, to keep the order
            lane_state& lane = taken_.at(batch[i]->lane);
            lane.stopped = false;
            if (fates[i] == fate::again) {
                lane.behind.push_front(batch[i]);
            }
        }
        for (T* each : batch) { // a lane may occur again after it was released
            const auto lane = taken_.find(each->lane);
            if (lane != taken_.end() && !lane->second.busy && lane->second.keeps == nullptr) {
                release(each->lane, now);
            }
        }
    }

    /// Takes out the waiting ones that `unwanted` says, who then have to `leave`. Kept ones are the
    /// caller's.
    template <class Predicate> [[nodiscard]] auto remove_if(Predicate unwanted) -> std::vector<T*> {
        std::vector<T*> gone;
        const auto take_out = [&](T* each) {
            if (unwanted(*each)) {
                gone.push_back(each);
                return true;
            }
            return false;
        };
        for (auto& [lane, state] : taken_) {
            std::erase_if(state.behind, take_out);
        }
        std::erase_if(forming_, [&](const entry& each) { return take_out(each.second); });
        std::erase_if(alone_, take_out);
        return gone;
    }
    /// Items that no batch has.
    [[nodiscard]] auto waiting() const noexcept -> std::size_t {
        std::size_t all = forming_.size() + alone_.size();
        for (const auto& [lane, state] : taken_) {
            all += state.behind.size();
        }
        return all;
    }

private:
    using entry = std::pair<clock::time_point, T*>;

    struct lane_state {
        std::deque<T*> behind; ///< first those that are to be alone
        T* keeps = nullptr;    ///< waits for another try, for its dead letter, or to run alone
        bool busy = false;     ///< has items in a batch that runs
        bool stopped = false;  ///< within `settle`
    };

    void release(std::uint64_t lane, clock::time_point now) {
        const auto found = taken_.find(lane);
        std::deque<T*>& behind = found->second.behind;
        if (!behind.empty() && behind.front()->alone) { // the others wait until it has run
            found->second.keeps = behind.front();
            alone_.push_back(behind.front());
            behind.pop_front();
            return;
        }
        for (T* each : behind) {
            forming_.emplace_back(now, each);
        }
        taken_.erase(found);
    }

    std::size_t count_;
    std::chrono::nanoseconds within_;
    std::deque<entry> forming_;
    std::deque<T*> alone_;
    std::unordered_map<std::uint64_t, lane_state> taken_;
};

} // namespace cobus::detail
