#pragma once

#include "../contract.hpp"
#include "iso_time.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cobus::detail::json {

template <class T>
inline constexpr bool is_vector = false;
template <class T, class Allocator>
inline constexpr bool is_vector<std::vector<T, Allocator>> = true;

template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t Size>
inline constexpr bool is_array<std::array<T, Size>> = true;

template <class T>
inline constexpr bool is_map = false;
template <class V, class Less, class Allocator>
inline constexpr bool is_map<std::map<std::string, V, Less, Allocator>> = true;
template <class V, class Hash, class Equal, class Allocator>
inline constexpr bool is_map<std::unordered_map<std::string, V, Hash, Equal, Allocator>> = true;

template <class T>
concept boolean = std::is_same_v<T, bool>;
template <class T>
concept character =
    std::is_same_v<T, char> || std::is_same_v<T, wchar_t> || std::is_same_v<T, char8_t> ||
    std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>;
template <class T>
concept integer = std::is_integral_v<T> && !boolean<T> && !character<T> && sizeof(T) <= 8;
template <class T>
concept real = std::is_same_v<T, float> || std::is_same_v<T, double>;
template <class T>
concept text = std::is_same_v<T, std::string>;
template <class T>
concept bytes = is_vector<T> && std::is_same_v<typename T::value_type, std::byte>;
template <class T>
concept named_enum = std::is_enum_v<T> && requires { contract<T>::values; };
template <class T>
concept fielded = std::is_class_v<T> && requires { contract<T>::fields; };
template <class T>
concept free_form = std::is_same_v<T, nlohmann::json>;
/// What users' own to_json and from_json, or nlohmann's for the standard library, can write.
template <class T>
concept user_written = std::is_class_v<T> && requires(nlohmann::json& json, const T& value) {
    nlohmann::adl_serializer<T>::to_json(json, value);
};
template <class T>
concept user_read = std::is_class_v<T> && requires(const nlohmann::json& json, T& value) {
    nlohmann::adl_serializer<T>::from_json(json, value);
};

template <class T>
inline constexpr bool unsupported = false;

/// One readable message for a member that JSON has no form for.
template <class T>
consteval void refuse() {
    if constexpr (std::is_enum_v<T>) {
        static_assert(unsupported<T>,
                      "cobus: an enum in JSON is written by name: specialise "
                      "cobus::contract<Enum> with `values = cobus::values(cobus::value(\"name\", "
                      "Enum::name), ...)`");
    } else if constexpr (character<T>) {
        static_assert(unsupported<T>,
                      "cobus: a character is neither text nor number in JSON: use std::string, or "
                      "an integer type such as std::uint8_t");
    } else {
        static_assert(unsupported<T>,
                      "cobus: JSON has no form for this type: give its cobus::contract `fields`, "
                      "or write to_json and from_json for it, or use a bool, number, std::string, "
                      "enum, optional, vector, array, map with std::string keys, "
                      "std::chrono::sys_time or nlohmann::json");
    }
}

template <class T>
inline constexpr std::size_t field_count =
    std::tuple_size_v<std::remove_cvref_t<decltype(contract<T>::fields)>>;

template <class T, std::size_t I>
[[nodiscard]] consteval auto field_name() -> std::string_view {
    return std::get<I>(contract<T>::fields).name;
}

/// `"name":` as it stands in the text; without the colon it is what the reader looks for.
template <class T, std::size_t I>
inline constexpr auto key_literal = [] {
    constexpr std::string_view name = field_name<T, I>();
    std::array<char, name.size() + 3> text{};
    text[0] = '"';
    for (std::size_t i = 0; i < name.size(); ++i) {
        text[i + 1] = name[i];
    }
    text[name.size() + 1] = '"';
    text[name.size() + 2] = ':';
    return text;
}();

[[nodiscard]] constexpr auto is_plain_name(std::string_view name) noexcept -> bool {
    for (const char c : name) {
        if (static_cast<unsigned char>(c) < 0x20U || c == '"' || c == '\\') {
            return false;
        }
    }
    return !name.empty();
}

/// Turns wrong `fields` into one readable message.
template <class T>
consteval auto check_fields() -> bool {
    return []<std::size_t... I>(std::index_sequence<I...> /*unused*/) {
        constexpr std::array<std::string_view, sizeof...(I)> names{field_name<T, I>()...};
        static_assert((is_plain_name(names[I]) && ...),
                      "cobus: a field's name is empty or holds quotes, backslashes or control "
                      "characters");
        constexpr auto distinct = [](const auto& all) {
            for (std::size_t a = 0; a < all.size(); ++a) {
                for (std::size_t b = a + 1; b < all.size(); ++b) {
                    if (all[a] == all[b]) {
                        return false;
                    }
                }
            }
            return true;
        }(names);
        static_assert(distinct, "cobus: two fields have the same name");
        return true;
    }(std::make_index_sequence<field_count<T>>());
}

} // namespace cobus::detail::json
