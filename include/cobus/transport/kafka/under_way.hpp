#pragma once

#include <atomic>
#include <cstdint>

namespace cobus::detail::kafka {

/// Counts the nodes that a producer has and the publishers that are inside its `publish`, and knows
/// whether new ones are refused. One word, so that the last to go is told exactly once.
class under_way {
public:
    /// What a publisher finds as it comes in, counted as inside and with its node.
    enum class entry : unsigned char { first, other, refused };

    [[nodiscard]] auto enter() noexcept -> entry {
        const std::uint64_t before = word_.fetch_add(one_inside + 1);
        return (before & closed_bit) != 0 ? entry::refused
               : before == 0              ? entry::first
                                          : entry::other;
    }
    /// The publisher goes, and its node stays or goes too. True: it was the last, after `close`.
    [[nodiscard]] auto leave(bool node_stays) noexcept -> bool {
        return drop(node_stays ? one_inside : one_inside + 1);
    }
    /// Nodes ended. True: those were the last, after `close`.
    [[nodiscard]] auto drop(std::uint64_t count) noexcept -> bool {
        return word_.fetch_sub(count) == (closed_bit | count);
    }
    void close() noexcept { word_.fetch_or(closed_bit); }

    [[nodiscard]] auto closed() const noexcept -> bool { return (word_.load() & closed_bit) != 0; }
    [[nodiscard]] auto any() const noexcept -> bool { return (word_.load() & ~closed_bit) != 0; }
    [[nodiscard]] auto nodes() const noexcept -> std::uint64_t {
        return word_.load() & (one_inside - 1);
    }
    [[nodiscard]] auto inside() const noexcept -> bool {
        return (word_.load() & ~closed_bit) >= one_inside;
    }
    /// Closed, and all is over.
    [[nodiscard]] auto over() const noexcept -> bool { return word_.load() == closed_bit; }

private:
    static constexpr std::uint64_t closed_bit = std::uint64_t{1} << 63U;
    static constexpr std::uint64_t one_inside = std::uint64_t{1} << 40U;

    std::atomic<std::uint64_t> word_{0};
};

} // namespace cobus::detail::kafka
