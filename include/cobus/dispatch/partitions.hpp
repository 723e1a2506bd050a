#pragma once

#include "job.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace cobus::detail {

/// The partitions that are assigned, and those that went but still have handlers running. Home
/// only.
class partitions {
public:
    void assign(std::span<const topic_partition> which, std::uint32_t epoch,
                std::span<const position> committed = {}) {
        for (const topic_partition& each : which) {
            auto made = std::make_unique<partition_state>();
            made->where = each;
            made->epoch = epoch;
            for (const position& there : committed) {
                if (there.where == each) {
                    if (auto runs = read_offset_map(there.metadata)) {
                        made->before = finished_before(there.offset, std::move(*runs));
                    }
                }
            }
            all_.push_back(std::move(made));
        }
        touched_.reserve(all_.size());
        index();
    }

    /// The assigned partition that a delivery belongs to; null when its assignment is over.
    [[nodiscard]] auto find(const topic_partition& where, std::uint32_t epoch) -> partition_state* {
        if (last_ != nullptr && last_->where == where && last_->epoch == epoch) {
            return last_;
        }
        for (std::size_t at = slot_of(where); !index_.empty(); ++at) {
            partition_state* const each = index_[at & (index_.size() - 1)];
            if (each == nullptr) {
                break;
            }
            if (each->where == where && each->epoch == epoch && !each->gone) {
                return last_ = each;
            }
        }
        return nullptr;
    }

    /// The same for several at once, so that the misses of the cache overlap.
    void find_all(std::span<const delivery> of, std::span<partition_state*> found) {
        for (std::size_t i = 0; i < of.size(); ++i) {
            found[i] = find(of[i].where, of[i].epoch);
        }
    }

    template <class F> void each(std::span<const topic_partition> which, F visit) {
        for (const auto& state : all_) {
            if (!state->gone &&
                std::find(which.begin(), which.end(), state->where) != which.end()) {
                visit(*state);
            }
        }
    }
    template <class F> void each(F visit) {
        for (const auto& state : all_) {
            if (!state->gone) {
                visit(*state);
            }
        }
    }

    /// Something of it was finished: `each_touched` visits it until there is nothing to commit.
    void touch(partition_state& which) noexcept {
        if (!which.touched) {
            which.touched = true;
            touched_.push_back(&which);
        }
    }
    template <class F> void each_touched(F visit) {
        for (partition_state* each : touched_) {
            if (!each->gone) {
                visit(*each);
            }
        }
    }
    void forget_committed(bool with_map = false) noexcept {
        std::erase_if(touched_, [with_map](partition_state* each) {
            each->touched = each->committing >= 0 || each->dirty(with_map);
            return !each->touched;
        });
    }

    /// Those that are gone but not yet forgotten included.
    template <class F> void all(F visit) {
        for (const auto& state : all_) {
            visit(*state);
        }
    }

    /// Forgets those that `which` says, each once nothing runs on it any more.
    template <class Predicate> void drop_if(Predicate which) {
        for (const auto& state : all_) {
            state->gone = state->gone || which(*state);
        }
        last_ = nullptr;
        sweep();
    }
    void sweep() {
        const auto over = [](const auto& state) { return state->gone && state->in_flight == 0; };
        std::erase_if(touched_, over);
        if (std::erase_if(all_, over) > 0) {
            index();
        }
    }

private:
    [[nodiscard]] static auto slot_of(const topic_partition& where) noexcept -> std::size_t {
        constexpr std::uint64_t spread = 0x9E3779B97F4A7C15U; // 2^64 over the golden ratio
        const std::uint64_t topic = std::hash<const void*>()(where.topic);
        return static_cast<std::size_t>(
            (topic * spread + static_cast<std::uint64_t>(where.partition)) * spread >> 32U);
    }
    /// At least half of the index stays empty, so that a search ends soon.
    void index() {
        last_ = nullptr;
        index_.assign(std::bit_ceil(2 * all_.size() + 1), nullptr);
        for (const auto& state : all_) {
            std::size_t at = slot_of(state->where);
            while (index_[at & (index_.size() - 1)] != nullptr) {
                ++at;
            }
            index_[at & (index_.size() - 1)] = state.get();
        }
    }

    std::vector<std::unique_ptr<partition_state>> all_;
    std::vector<partition_state*> index_; ///< by `slot_of`
    std::vector<partition_state*> touched_;
    partition_state* last_ = nullptr;
};

} // namespace cobus::detail
