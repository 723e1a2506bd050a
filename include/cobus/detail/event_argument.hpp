#pragma once

#include "../message.hpp"
#include "gcc12.hpp"

#include <concepts>
#include <iterator>
#include <type_traits>
#include <utility>

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

/// What `publish_all` takes. Not by the concepts of <ranges>, which takes long to compile.
template <class Range>
concept event_range = requires(Range& events) {
    std::begin(events) != std::end(events);
} && event_argument<std::iter_value_t<decltype(std::begin(std::declval<Range&>()))>>;

} // namespace cobus
