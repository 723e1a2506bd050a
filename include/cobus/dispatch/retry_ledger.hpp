#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>

namespace cobus::detail {

/// Who waits in the retry topics of one partition: for each lane of a handler the offsets, in the
/// partition that they come from, with the place of their latest copy. The lowest offset of a lane
/// is its head, which alone may run; the others follow it. Pure.
class retry_ledger {
public:
    struct lane {
        const void* handler = nullptr;
        std::uint64_t number = 0;

        friend auto operator==(const lane&, const lane&) -> bool = default;
    };
    /// Of a message in the retry topics. Numbers ascend in the order of writing, or of reading.
    struct copy {
        std::size_t tier = 0;
        std::uint64_t number = 0;
    };

    /// It was written by us: earlier copies do not count any more.
    void put(const lane& which, std::int64_t origin, const copy& where) {
        const auto [place, fresh] = waiting_[which].insert_or_assign(origin, where);
        size_ += fresh ? 1U : 0U;
    }
    /// It was found there after a restart. Copies only ever move to later tiers, and in each tier
    /// the last one is the latest.
    void restore(const lane& which, std::int64_t origin, const copy& where) {
        const auto [place, fresh] = waiting_[which].try_emplace(origin, where);
        size_ += fresh ? 1U : 0U;
        if (!fresh && where.tier >= place->second.tier) {
            place->second = where;
        }
    }
    /// It is handled, or given up.
    void drop(const lane& which, std::int64_t origin) {
        const auto found = waiting_.find(which);
        if (found == waiting_.end()) {
            return;
        }
        size_ -= found->second.erase(origin);
        if (found->second.empty()) {
            waiting_.erase(found);
        }
    }
    /// That handler is gone.
    void forget(const void* handler) {
        std::erase_if(waiting_, [&](const auto& each) {
            const bool its = each.first.handler == handler;
            size_ -= its ? each.second.size() : 0U;
            return its;
        });
    }

    [[nodiscard]] auto contains(const lane& which) const -> bool {
        return waiting_.contains(which);
    }
    [[nodiscard]] auto contains(const lane& which, std::int64_t origin) const -> bool {
        const auto found = waiting_.find(which);
        return found != waiting_.end() && found->second.contains(origin);
    }
    /// Whether that copy is the latest of its offset.
    [[nodiscard]] auto is_latest(const lane& which, std::int64_t origin, std::uint64_t number) const
        -> bool {
        const auto found = waiting_.find(which);
        if (found == waiting_.end()) {
            return false;
        }
        const auto place = found->second.find(origin);
        return place != found->second.end() && place->second.number == number;
    }
    [[nodiscard]] auto is_head(const lane& which, std::int64_t origin) const -> bool {
        const auto found = waiting_.find(which);
        return found != waiting_.end() && found->second.begin()->first == origin;
    }
    /// Where those that follow go; 0 when nobody waits.
    [[nodiscard]] auto tier_of_head(const lane& which) const -> std::size_t {
        const auto found = waiting_.find(which);
        return found != waiting_.end() ? found->second.begin()->second.tier : 0;
    }
    /// Offsets that wait, over all lanes.
    [[nodiscard]] auto size() const noexcept -> std::size_t { return size_; }

private:
    struct mix {
        auto operator()(const lane& which) const noexcept -> std::size_t {
            return static_cast<std::size_t>(which.number) ^ std::hash<const void*>()(which.handler);
        }
    };

    std::unordered_map<lane, std::map<std::int64_t, copy>, mix> waiting_;
    std::size_t size_ = 0;
};

} // namespace cobus::detail
