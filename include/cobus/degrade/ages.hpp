#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace cobus::degrade {

/// How old numbered things are at least, without a time for each: it is told the next number from
/// time to time, and remembers some of that.
class ages {
public:
    using clock = std::chrono::steady_clock;

    /// Whatever is numbered below `next` was there by `now`.
    void mark(clock::time_point now, std::uint64_t next) noexcept {
        if (count_ == 0 || now - last().at >= apart) {
            mark_now(now, next);
        }
    }
    /// The same, however short it is since the last time: for what is rare.
    void mark_now(clock::time_point now, std::uint64_t next) noexcept {
        if (count_ > 0 && last().next == next) {
            return;
        }
        marks_[(first_ + count_) % marks_.size()] = {now, next};
        count_ < marks_.size() ? ++count_ : first_ = (first_ + 1) % marks_.size();
    }
    /// Zero for what came after the last mark.
    [[nodiscard]] auto of(std::uint64_t number, clock::time_point now) const noexcept
        -> std::chrono::milliseconds {
        const auto there = by(number);
        return there ? std::chrono::duration_cast<std::chrono::milliseconds>(now - *there)
                     : std::chrono::milliseconds(0);
    }
    /// When it was there already; nothing for what came after the last mark.
    [[nodiscard]] auto by(std::uint64_t number) const noexcept -> std::optional<clock::time_point> {
        for (std::size_t i = 0; i < count_; ++i) {
            const entry& each = marks_[(first_ + i) % marks_.size()];
            if (number < each.next) {
                return each.at;
            }
        }
        return std::nullopt;
    }

private:
    static constexpr std::chrono::milliseconds apart{100};

    struct entry {
        clock::time_point at;
        std::uint64_t next = 0;
    };
    [[nodiscard]] auto last() const noexcept -> const entry& {
        return marks_[(first_ + count_ - 1) % marks_.size()];
    }

    std::array<entry, 64> marks_{}; // 16 s of four a second; what is older counts as that old
    std::size_t first_ = 0;
    std::size_t count_ = 0;
};

} // namespace cobus::degrade
