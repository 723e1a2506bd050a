#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Values by consecutive numbers, in a ring that grows. Knows neither its beginning nor its end:
/// whoever uses it says what is in it.
template <class T>
class numbered_ring {
public:
    [[nodiscard]] auto operator[](std::int64_t number) noexcept -> T& {
        return items_[static_cast<std::size_t>(number) & (items_.size() - 1)];
    }
    /// Makes room for `count` values from `first` on, of which `used` are there. May throw
    /// `std::bad_alloc`, and then nothing has changed.
    void reserve(std::int64_t first, std::size_t used, std::size_t count) {
        if (count > items_.size()) {
            grow(first, used, count);
        }
    }

private:
    static constexpr std::size_t smallest = 16;

    [[gnu::noinline]] void grow(std::int64_t first, std::size_t used, std::size_t count) {
        std::vector<T> larger(std::bit_ceil(count < smallest ? smallest : count));
        for (std::size_t i = 0; i < used; ++i) {
            const auto number = first + static_cast<std::int64_t>(i);
            larger[static_cast<std::size_t>(number) & (larger.size() - 1)] =
                std::move((*this)[number]);
        }
        items_.swap(larger);
    }

    std::vector<T> items_;
};

} // namespace cobus::detail
