#pragma once

#include "../detail/contract_info.hpp"
#include "../message.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace cobus::testing {

/// Which messages a fault strikes: `nth(2).topic("orders")` is the second of that topic from when
/// the fault was set. Pure.
class which {
public:
    enum class kind : unsigned char { always, nth, first, every, chance };

    which(kind how, std::size_t count, double likelihood) noexcept
        : how_(how), count_((std::max)(count, std::size_t{1})), likelihood_(likelihood) {}

    /// Only those of that topic.
    [[nodiscard]] auto topic(std::string_view name) && -> which&& {
        topic_ = name;
        return std::move(*this);
    }
    /// Only those of that type on the wire.
    [[nodiscard]] auto type(std::string_view name) && -> which&& {
        type_ = name;
        return std::move(*this);
    }
    /// Only those with that key.
    [[nodiscard]] auto key(std::string_view value) && -> which&& {
        key_ = value;
        has_key_ = true;
        return std::move(*this);
    }
    /// Only events of that C++ type, whose contract names its type.
    template <class E> [[nodiscard]] auto of() && -> which&& {
        return std::move(*this).type(cobus::detail::info_of<E>().type);
    }

    /// Whether it strikes the next message; counts it, if it is of those. `random` gives a number
    /// from 0 to below 1, and is asked only for `chance`.
    template <class Random> [[nodiscard]] auto strikes(const message& content, Random random)
        -> bool {
        const bool right = (topic_.empty() || content.topic() == topic_) &&
                           (type_.empty() || content.type() == type_) &&
                           (!has_key_ || content.key() == std::string_view(key_));
        return right && strikes(random);
    }
    /// The same for what is no message.
    template <class Random> [[nodiscard]] auto strikes(Random random) -> bool {
        ++seen_;
        switch (how_) {
        case kind::always:
            return true;
        case kind::nth:
            return seen_ == count_;
        case kind::first:
            return seen_ <= count_;
        case kind::every:
            return seen_ % count_ == 0;
        case kind::chance:
            return random() < likelihood_;
        }
        return false;
    }

private:
    kind how_;
    std::size_t count_;
    double likelihood_;
    std::size_t seen_ = 0;
    std::string topic_;
    std::string type_;
    std::string key_;
    bool has_key_ = false;
};

[[nodiscard]] inline auto always() -> which { return {which::kind::always, 1, 0}; }
/// The `n`th, counted from 1, and no other.
[[nodiscard]] inline auto nth(std::size_t n) -> which { return {which::kind::nth, n, 0}; }
[[nodiscard]] inline auto first(std::size_t n) -> which { return {which::kind::first, n, 0}; }
/// Each `n`th.
[[nodiscard]] inline auto every(std::size_t n) -> which { return {which::kind::every, n, 0}; }
/// Each with that likelihood, by the script's own seeded random numbers.
[[nodiscard]] inline auto chance(double likelihood) -> which {
    return {which::kind::chance, 1, likelihood};
}

} // namespace cobus::testing
