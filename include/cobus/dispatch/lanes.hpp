#pragma once

#include "../detail/pool_allocator.hpp"
#include "../detail/queue.hpp"
#include "job.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>

namespace cobus::detail {

/// The lanes of one handler: which keys are busy, and who waits behind whom. A lane exists only
/// while somebody is in it, so an idle handler with a million known keys costs nothing. Pure; the
/// home calls it.
class lanes {
public:
    /// Who comes first for its lane may run; anybody else is queued behind.
    [[nodiscard]] auto enter(job& item) -> bool {
        if (busy_.empty()) {
            return true; // the usual case: nobody suspended, nothing to look up
        }
        const auto found = busy_.find(item.lane);
        if (found == busy_.end()) {
            return true;
        }
        found->second.push(item);
        ++waiting_;
        return false;
    }

    /// Keeps the lane for a job that `enter` let through and that did not finish at once.
    void keep(job& item) {
        if (!item.in_lane) {
            busy_.try_emplace(item.lane);
            item.in_lane = true;
        }
    }

    /// The job is finished; the next of its lane, which now holds the lane, or null.
    [[nodiscard]] auto leave(job& item) -> job* {
        if (!item.in_lane) {
            return nullptr;
        }
        item.in_lane = false;
        const auto found = busy_.find(item.lane);
        job* next = found->second.pop();
        if (next == nullptr) {
            busy_.erase(found);
            return nullptr;
        }
        --waiting_;
        next->in_lane = true;
        return next;
    }

    /// Takes out those waiting behind others that `unwanted` says.
    template <class Predicate, class Sink> void remove_if(Predicate unwanted, Sink sink) {
        for (auto& [lane, waiting] : busy_) {
            const std::size_t before = waiting.size();
            waiting.remove_if(unwanted, sink);
            waiting_ -= before - waiting.size();
        }
    }

    [[nodiscard]] auto busy() const noexcept -> std::size_t { return busy_.size(); }
    [[nodiscard]] auto waiting() const noexcept -> std::size_t { return waiting_; }

private:
    struct already_mixed {
        auto operator()(std::uint64_t lane) const noexcept -> std::size_t { return lane; }
    };

    std::unordered_map<std::uint64_t, queue<job>, already_mixed, std::equal_to<>,
                       pool_allocator<std::pair<const std::uint64_t, queue<job>>>>
        busy_;
    std::size_t waiting_ = 0;
};

} // namespace cobus::detail
