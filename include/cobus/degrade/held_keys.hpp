#pragma once

#include "../detail/murmur2.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace cobus::degrade {

/// A number for the order in which an event stands: of its topic and key, or of its topic and the
/// partition that was asked for. 0: no order. Two that share a number by accident only wait for
/// each other.
[[nodiscard]] inline auto lane_of(const std::string* topic, std::optional<std::string_view> key,
                                  std::int32_t partition) noexcept -> std::uint64_t {
    if (!key && partition < 0) {
        return 0;
    }
    constexpr std::uint64_t spread = 0x9E3779B97F4A7C15U;
    const std::uint64_t part =
        key ? std::hash<std::string_view>()(*key) : static_cast<std::uint64_t>(partition) + 1;
    const std::uint64_t lane =
        (std::hash<const void*>()(topic) * spread + part) * spread ^ part >> 7U;
    return lane != 0 ? lane : 1;
}

/// What the spool holds of each key. Lane 0 has no order, so it is never held.
class held_keys {
public:
    struct entry {
        std::size_t rows = 0;    ///< in the spool
        std::size_t waiting = 0; ///< of them, those that Kafka's client does not have
        std::size_t blocked = 0; ///< of those, the ones that wait for handlers
        bool unclean = false;    ///< one of them was not handled here: nor are the younger ones
    };

    /// May throw `std::bad_alloc`.
    void add(std::uint64_t lane) {
        if (lane != 0) {
            ++all_[lane].rows;
        }
    }
    void remove(std::uint64_t lane) noexcept {
        const auto found = all_.find(lane);
        if (found != all_.end() && --found->second.rows == 0) {
            all_.erase(found);
        }
    }
    /// Of a lane that was added.
    [[nodiscard]] auto at(std::uint64_t lane) noexcept -> entry& {
        const auto found = all_.find(lane);
        return found != all_.end() ? found->second : none_ = entry();
    }
    /// Whether an event of it may go to Kafka's client at once.
    [[nodiscard]] auto may_pass(std::uint64_t lane) const noexcept -> bool {
        const auto found = all_.find(lane);
        return found == all_.end() || found->second.waiting == 0;
    }
    /// Whether all older ones of it that are here were given to handlers.
    [[nodiscard]] auto clean(std::uint64_t lane) const noexcept -> bool {
        const auto found = all_.find(lane);
        return found == all_.end() || !found->second.unclean;
    }
    [[nodiscard]] auto size() const noexcept -> std::size_t { return all_.size(); }

private:
    std::unordered_map<std::uint64_t, entry> all_;
    entry none_; ///< for lane 0
};

} // namespace cobus::degrade
