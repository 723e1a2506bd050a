#pragma once

#include "job.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

namespace cobus::detail {

/// The partitions that are assigned, and those that went but still have handlers running. Home
/// only.
class partitions {
public:
    void assign(std::span<const topic_partition> which, std::uint32_t epoch) {
        for (const topic_partition& each : which) {
            auto made = std::make_unique<partition_state>();
            made->where = each;
            made->epoch = epoch;
            all_.push_back(std::move(made));
        }
        last_ = nullptr;
    }

    /// The assigned partition that a delivery belongs to; null when its assignment is over.
    [[nodiscard]] auto find(const topic_partition& where, std::uint32_t epoch) -> partition_state* {
        if (last_ != nullptr && last_->where == where && last_->epoch == epoch) {
            return last_;
        }
        for (const auto& each : all_) {
            if (each->where == where && each->epoch == epoch && !each->gone) {
                return last_ = each.get();
            }
        }
        return nullptr;
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
        std::erase_if(all_, [](const auto& state) { return state->gone && state->in_flight == 0; });
    }

private:
    std::vector<std::unique_ptr<partition_state>> all_;
    partition_state* last_ = nullptr;
};

} // namespace cobus::detail
