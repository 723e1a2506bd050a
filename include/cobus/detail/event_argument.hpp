#pragma once

#include "../message.hpp"
#include "gcc12.hpp"

#include <concepts>
#include <type_traits>

namespace cobus {
namespace detail {

template <class T> inline constexpr bool is_taken = false;
template <class E> inline constexpr bool is_taken<taken_event<E>> = true;

} // namespace detail

/// What `publish` takes: an event with a contract, one given by `take`, or a message made by hand.
template <class E>
concept event_argument =
    event<std::remove_cvref_t<E>> || detail::is_taken<std::remove_cvref_t<E>> ||
    std::same_as<std::remove_cvref_t<E>, message>;

} // namespace cobus
