#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace cobus::detail::kafka {

/// When each broker was heard of last, and since when one owes an answer to what was sent to it.
/// Any thread; takes no lock. A cluster of more brokers than fit is known only in part.
class broker_clocks {
public:
    using clock = std::chrono::steady_clock;

    /// Something is on its way to it that it answers at once if it can.
    void sent(std::int32_t id, clock::time_point now) noexcept {
        if (slot* its = find(id)) {
            if (its->owed.fetch_add(1) == 0) {
                its->since.store(number(now));
            }
        }
    }
    void heard(std::int32_t id, clock::time_point now) noexcept {
        if (slot* its = find(id)) {
            its->last.store(number(now));
            its->gone.store(false, std::memory_order_relaxed);
        }
    }
    /// What was `sent` is answered, or will not be.
    void settled(std::int32_t id) noexcept {
        slot* its = find(id);
        for (int now = its != nullptr ? its->owed.load() : 0;
             now > 0 && !its->owed.compare_exchange_weak(now, now - 1);) {
        }
    }
    /// Its connection is lost, with all that it owed.
    void lost(std::int32_t id) noexcept {
        if (slot* its = find(id)) {
            its->owed.store(0);
            its->gone.store(true, std::memory_order_relaxed);
        }
    }

    /// Nothing was heard of it for that long.
    [[nodiscard]] auto quiet(std::int32_t id, std::chrono::milliseconds time,
                             clock::time_point now) const noexcept -> bool {
        const slot* its = look(id);
        return its == nullptr || now - moment(its->last) >= time;
    }
    /// The same, although it owes an answer for that long, or cannot be reached.
    [[nodiscard]] auto silent(std::int32_t id, std::chrono::milliseconds time,
                              clock::time_point now) const noexcept -> bool {
        const slot* its = look(id);
        if (its == nullptr || !quiet(id, time, now)) {
            return false;
        }
        return its->gone.load(std::memory_order_relaxed) ||
               (its->owed.load() > 0 && now - moment(its->since) >= time);
    }

private:
    struct slot {
        std::atomic<std::int32_t> id{-1};
        std::atomic<bool> gone{false};
        std::atomic<int> owed{0};
        std::atomic<std::int64_t> last{0};
        std::atomic<std::int64_t> since{0};
    };

    [[nodiscard]] static auto number(clock::time_point at) noexcept -> std::int64_t {
        return at.time_since_epoch().count();
    }
    [[nodiscard]] static auto moment(const std::atomic<std::int64_t>& at) noexcept
        -> clock::time_point {
        return clock::time_point(clock::duration(at.load(std::memory_order_relaxed)));
    }
    [[nodiscard]] auto look(std::int32_t id) const noexcept -> const slot* {
        for (std::size_t i = 0; id >= 0 && i < all_.size(); ++i) {
            const slot& each = all_[(static_cast<std::size_t>(id) + i) % all_.size()];
            const std::int32_t there = each.id.load(std::memory_order_acquire);
            if (there == id || there == -1) {
                return there == id ? &each : nullptr;
            }
        }
        return nullptr;
    }
    [[nodiscard]] auto find(std::int32_t id) noexcept -> slot* {
        for (std::size_t i = 0; id >= 0 && i < all_.size(); ++i) {
            slot& each = all_[(static_cast<std::size_t>(id) + i) % all_.size()];
            std::int32_t there = -1;
            if (each.id.compare_exchange_strong(there, id) || there == id) {
                return &each;
            }
        }
        return nullptr;
    }

    std::array<slot, 64> all_;
};

} // namespace cobus::detail::kafka
