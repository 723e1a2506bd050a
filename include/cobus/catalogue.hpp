#pragma once

#include "contract.hpp"

#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

namespace cobus {

/// What a catalogue says of one event type.
struct event_description {
    std::string_view type;  ///< empty when the event says it
    std::string_view topic; ///< empty when the event says it
    std::string_view version;
    std::string_view description;
    std::vector<std::string_view> required; ///< fields that must be there, in the contract's order
    std::vector<std::string_view> optional;
};

namespace detail {

template <class A, class B> consteval auto same_wire_name() -> bool {
    if constexpr (type_is_text<A> && type_is_text<B> && topic_is_text<A> && topic_is_text<B>) {
        return std::string_view(contract<A>::type) == std::string_view(contract<B>::type) &&
               std::string_view(contract<A>::topic) == std::string_view(contract<B>::topic);
    } else {
        return false;
    }
}
template <class First, class... Rest> consteval auto wire_names_differ() -> bool {
    if constexpr (sizeof...(Rest) == 0) {
        return true;
    } else {
        return !(same_wire_name<First, Rest>() || ...) && wire_names_differ<Rest...>();
    }
}

template <class E> [[nodiscard]] auto describe_event() -> event_description {
    event_description made;
    if constexpr (type_is_text<E>) {
        made.type = contract<E>::type;
    }
    if constexpr (topic_is_text<E>) {
        made.topic = contract<E>::topic;
    }
    if constexpr (requires { contract<E>::version; }) {
        made.version = contract<E>::version;
    }
    if constexpr (requires { contract<E>::description; }) {
        made.description = contract<E>::description;
    }
    if constexpr (requires { contract<E>::fields; }) {
        std::apply(
            [&made](const auto&... each) {
                ((each.required ? made.required : made.optional).push_back(each.name), ...);
            },
            contract<E>::fields);
    }
    return made;
}

} // namespace detail

/// The events of a service, checked against each other at compile time.
template <class... Events> class catalogue {
public:
    static_assert(sizeof...(Events) > 0, "cobus: a catalogue lists at least one event");
    static_assert((detail::check_contract<Events>() && ...));
    static_assert(detail::wire_names_differ<Events...>(),
                  "cobus: two events of this catalogue have the same type on the same topic");

    [[nodiscard]] static constexpr auto size() noexcept -> std::size_t { return sizeof...(Events); }
    template <class E> [[nodiscard]] static constexpr auto contains() noexcept -> bool {
        return (std::is_same_v<E, Events> || ...);
    }
    /// Every event type with its topic, description and fields, as the contracts say.
    [[nodiscard]] static auto describe() -> std::vector<event_description> {
        std::vector<event_description> all;
        all.reserve(sizeof...(Events));
        (all.push_back(detail::describe_event<Events>()), ...);
        return all;
    }
    /// Calls `visit.template operator()<E>()` for each event type.
    template <class F> static void each(F visit) { (visit.template operator()<Events>(), ...); }
};

} // namespace cobus
