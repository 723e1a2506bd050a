#pragma once

#include <atomic>
#include <cstdint>

namespace cobus::detail {

/// Numbers the calls of one bus, so that no other call of any bus in this process has the same: a
/// message may come again when its call is long over, and its bus, too. One thread at a time.
class call_number {
public:
    [[nodiscard]] auto next() noexcept -> std::uint64_t {
        last_ = (last_ + 1) & (one_bus - 1);
        return bus_ | last_;
    }
    /// Whether it is one of these; 0 is none of any bus.
    [[nodiscard]] auto is_ours(std::uint64_t call) const noexcept -> bool {
        return (call & ~(one_bus - 1)) == bus_;
    }

private:
    static constexpr std::uint64_t one_bus = std::uint64_t{1} << 40U;

    [[nodiscard]] static auto next_bus() noexcept -> std::uint64_t {
        static std::atomic<std::uint64_t> made{0};
        return one_bus * (1 + made.fetch_add(1, std::memory_order_relaxed));
    }

    std::uint64_t bus_ = next_bus();
    std::uint64_t last_ = 0;
};

} // namespace cobus::detail
