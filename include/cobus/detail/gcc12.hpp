#pragma once

#include <type_traits>
#include <utility>

namespace cobus {

/// A named event to be moved from: `co_await bus.publish(cobus::take(event))`.
template <class E> class taken_event {
public:
    explicit taken_event(E& from) noexcept : from_(&from) {}
    [[nodiscard]] auto get() const noexcept -> E&& { return std::move(*from_); }

private:
    E* from_;
};

template <class E> [[nodiscard]] auto take(E& event) noexcept -> taken_event<E> {
    static_assert(!std::is_const_v<E>, "cobus: a const event cannot be moved from");
    return taken_event<E>(event);
}

namespace detail {

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
inline constexpr bool destroys_temporaries_twice = true;
#else
inline constexpr bool destroys_temporaries_twice = false;
#endif

/// GCC 12 destroys the members of an aggregate temporary twice when it stands inside a `co_await`
/// expression (GCC bug 99576 and its kin). A forwarding reference cannot tell a temporary from a
/// moved local, so both are refused, and `take` says which is meant. `T` is as deduced by `T&&`.
template <class T>
inline constexpr bool unsafe_to_await =
    destroys_temporaries_twice && !std::is_reference_v<T> && std::is_aggregate_v<T> &&
    !std::is_trivially_destructible_v<T>;

template <class... Args> consteval auto safe_to_await() -> bool {
    static_assert(!(unsafe_to_await<Args> || ...),
                  "cobus: GCC 12 would destroy this temporary twice inside co_await: give it a "
                  "name first, then "
                  "publish(event) to copy it or publish(cobus::take(event)) to move it");
    return true;
}

} // namespace detail
} // namespace cobus
