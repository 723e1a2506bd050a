#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace cobus::detail {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

/// Kafka's rule for topic names.
[[nodiscard]] constexpr auto is_topic_name(std::string_view name) noexcept -> bool {
    if (name.empty() || name.size() > 249 || name == "." || name == "..") {
        return false;
    }
    for (const char c : name) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

template <class T>
concept textual = std::convertible_to<const T&, std::string_view>;

/// A view of text that lives as long as `value`, or as long as `scratch` when it has to be written.
template <class T>
[[nodiscard]] auto view_of(const T& value, std::string& scratch) -> std::string_view {
    if constexpr (textual<T>) {
        return value;
    } else {
        static_assert(std::integral<T> && !std::same_as<T, bool>,
                      "cobus: a key, type, topic or id is text or an integer, or a function that "
                      "returns one");
        scratch.resize(24);
        const auto end = std::to_chars(scratch.data(), scratch.data() + scratch.size(), value).ptr;
        scratch.resize(static_cast<std::size_t>(end - scratch.data()));
        return scratch;
    }
}

} // namespace cobus::detail
