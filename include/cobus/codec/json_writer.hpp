#pragma once

#include "base64.hpp"
#include "iso_time.hpp"
#include "json_free_form.hpp"
#include "json_sink.hpp"
#include "json_types.hpp"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <tuple>
#include <utility>

namespace cobus::detail::json {

/// Writes a value at `at`, where `sink::scalar` bytes are free, and returns the new end, or null
/// after a failure. One overload set by kind of type, all chosen while compiling.
template <class T>
[[nodiscard]] auto write(sink& out, char* at, const T& value) -> char*;

[[nodiscard]] inline auto put_word(char* at, std::string_view word) noexcept -> char* {
    std::memcpy(at, word.data(), word.size());
    return at + word.size();
}

template <real T>
[[nodiscard]] auto write_real(sink& out, char* at, T value) -> char* {
    if (!std::isfinite(value)) {
        return out.fail("NaN and infinity have no form in JSON");
    }
    return std::to_chars(at, at + sink::scalar, value).ptr;
}

template <named_enum T>
[[nodiscard]] auto write_enum(sink& out, char* at, T value) -> char* {
    for (const auto& each : contract<T>::values) {
        if (each.value == value) {
            return out.string(at, each.name);
        }
    }
    return out.fail("the enum has no name for the value " +
                    std::to_string(static_cast<long long>(value)));
}

template <class T>
[[nodiscard]] auto write_time(sink& out, char* at, const T& value) -> char* {
    *at++ = '"';
    at = put_iso_time(value, at);
    if (at == nullptr) {
        return out.fail("the time is outside the years 0000 to 9999");
    }
    *at++ = '"';
    return at;
}

template <bytes T>
[[nodiscard]] auto write_bytes(sink& out, char* at, const T& value) -> char* {
    at = out.room(at, base64_size(value.size()) + 2);
    *at++ = '"';
    at = put_base64(value.data(), value.size(), at);
    *at++ = '"';
    return at;
}

/// Takes back the comma behind the last element and closes.
[[nodiscard]] inline auto close(sink& out, char* at, char mark) -> char* {
    out.shallower();
    if (at[-1] == ',') {
        --at;
    }
    at = out.room(at, 2);
    *at++ = mark;
    return at;
}

template <class T>
[[nodiscard]] auto write_list(sink& out, char* at, const T& value) -> char* {
    if (!out.deeper()) {
        return nullptr;
    }
    *at++ = '[';
    std::size_t index = 0;
    for (const auto& each : value) {
        using element = typename T::value_type; // a vector<bool> hands out proxies
        at = write<element>(out, out.room(at, sink::scalar), each);
        if (at == nullptr) {
            out.wrong.inside(index);
            return nullptr;
        }
        *at++ = ',';
        ++index;
    }
    return close(out, at, ']');
}

template <class T>
[[nodiscard]] auto write_map(sink& out, char* at, const T& value) -> char* {
    if (!out.deeper()) {
        return nullptr;
    }
    *at++ = '{';
    for (const auto& [key, each] : value) {
        at = out.string(at, key);
        if (at != nullptr) {
            at = out.room(at, sink::scalar + 1);
            *at++ = ':';
            at = write(out, at, each);
        }
        if (at == nullptr) {
            out.wrong.inside(std::string_view(key));
            return nullptr;
        }
        *at++ = ',';
    }
    return close(out, at, '}');
}

template <class T, std::size_t I>
[[nodiscard]] auto write_field(sink& out, char* at, const T& value) -> char* {
    constexpr const auto& literal = key_literal<T, I>;
    const auto& member = value.*(std::get<I>(contract<T>::fields).member);
    if constexpr (is_optional<std::remove_cvref_t<decltype(member)>>) {
        if (!member) {
            return at;
        }
    }
    at = out.room(at, literal.size() + sink::scalar);
    std::memcpy(at, literal.data(), literal.size());
    at = write(out, at + literal.size(), member);
    if (at == nullptr) {
        out.wrong.inside(field_name<T, I>());
        return nullptr;
    }
    *at++ = ',';
    return at;
}

template <fielded T>
[[nodiscard]] auto write_fields(sink& out, char* at, const T& value) -> char* {
    static_assert(check_fields<T>());
    if (!out.deeper()) {
        return nullptr;
    }
    *at++ = '{';
    const bool written = [&]<std::size_t... I>(std::index_sequence<I...> /*unused*/) {
        return (((at = write_field<T, I>(out, at, value)) != nullptr) && ...);
    }(std::make_index_sequence<field_count<T>>());
    return written ? close(out, at, '}') : nullptr;
}

[[nodiscard]] inline auto write_free_form(sink& out, char* at, const nlohmann::json& value)
    -> char* {
    return is_writable(value, out.depth(), out.wrong) ? out.raw(at, value.dump()) : nullptr;
}

template <user_written T>
[[nodiscard]] auto write_by_user(sink& out, char* at, const T& value) -> char* {
    nlohmann::json converted;
    return to_free_form(value, converted, out.wrong) ? write_free_form(out, at, converted)
                                                     : nullptr;
}

template <class T>
auto write(sink& out, char* at, const T& value) -> char* {
    if constexpr (text<T>) {
        return out.string(at, value);
    } else if constexpr (boolean<T>) {
        return put_word(at, value ? "true" : "false");
    } else if constexpr (integer<T>) {
        return std::to_chars(at, at + sink::scalar, value).ptr;
    } else if constexpr (real<T>) {
        return write_real(out, at, value);
    } else if constexpr (named_enum<T>) {
        return write_enum(out, at, value);
    } else if constexpr (is_optional<T>) {
        return value ? write(out, at, *value) : put_word(at, "null");
    } else if constexpr (is_sys_time<T>) {
        return write_time(out, at, value);
    } else if constexpr (bytes<T>) {
        return write_bytes(out, at, value);
    } else if constexpr (is_vector<T> || is_array<T>) {
        return write_list(out, at, value);
    } else if constexpr (is_map<T>) {
        return write_map(out, at, value);
    } else if constexpr (fielded<T>) {
        return write_fields(out, at, value);
    } else if constexpr (free_form<T>) {
        return write_free_form(out, at, value);
    } else if constexpr (user_written<T>) {
        return write_by_user(out, at, value);
    } else {
        refuse<T>();
    }
}

} // namespace cobus::detail::json
