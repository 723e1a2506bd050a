#pragma once

#include "base64.hpp"
#include "iso_time.hpp"
#include "json_cursor.hpp"
#include "json_free_form.hpp"
#include "json_types.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

namespace cobus::detail::json {

/// Reads the next value into `into`, replacing what is there; false after a failure.
template <class T>
[[nodiscard]] auto read(cursor& in, T& into) -> bool;

[[nodiscard]] inline auto read_bool(cursor& in, bool& into) -> bool {
    const char c = in.peek();
    if (c != 't' && c != 'f') {
        return in.expected("true or false");
    }
    into = c == 't';
    return in.word(into ? "true" : "false");
}

template <integer T>
[[nodiscard]] auto read_integer(cursor& in, T& into) -> bool {
    std::string_view token;
    bool whole = false;
    const char c = in.peek();
    if (c != '-' && (c < '0' || c > '9')) {
        return in.expected("an integer");
    }
    if (!in.number(token, whole)) {
        return false;
    }
    if (!whole) {
        return in.fail("expected an integer, got " + std::string(token.substr(0, 32)));
    }
    if (std::from_chars(token.data(), token.data() + token.size(), into).ec != std::errc()) {
        using limits = std::numeric_limits<T>;
        return in.fail(std::string(token.substr(0, 32)) + " is out of range: " +
                       std::to_string((limits::min)()) + " to " + std::to_string((limits::max)()));
    }
    return true;
}

template <real T>
[[nodiscard]] auto read_real(cursor& in, T& into) -> bool {
    std::string_view token;
    bool whole = false;
    if (!in.number(token, whole)) {
        return false;
    }
    if (std::from_chars(token.data(), token.data() + token.size(), into).ec != std::errc()) {
        return in.fail(std::string(token.substr(0, 32)) + " is out of range");
    }
    return true;
}

template <named_enum T>
[[nodiscard]] auto read_enum(cursor& in, T& into) -> bool {
    std::string_view name;
    if (!in.view_string(name)) {
        return false;
    }
    std::string allowed;
    for (const auto& each : contract<T>::values) {
        if (each.name == name) {
            into = each.value;
            return true;
        }
    }
    for (const auto& each : contract<T>::values) {
        allowed.append(allowed.empty() ? "" : ", ").append(each.name);
    }
    return in.fail(problem::quoted(name) + " is none of " + allowed);
}

template <class T>
[[nodiscard]] auto read_time(cursor& in, T& into) -> bool {
    std::string_view text;
    if (!in.view_string(text, "a time in a string")) {
        return false;
    }
    switch (read_iso_time(text, into)) {
    case time_reading::ok:
        return true;
    case time_reading::out_of_range:
        return in.fail("the time " + problem::quoted(text) + " is out of range");
    case time_reading::no_time:
        break;
    }
    return in.fail(problem::quoted(text) + " is no time such as 2026-11-21T09:47:58.123Z");
}

template <bytes T>
[[nodiscard]] auto read_bytes(cursor& in, T& into) -> bool {
    std::string_view text;
    if (!in.view_string(text, "base64 in a string")) {
        return false;
    }
    return read_base64(text, into) || in.fail("the text is not base64 with padding");
}

template <class T>
[[nodiscard]] auto read_vector(cursor& in, T& into) -> bool {
    into.clear();
    if (!in.open('[', "an array")) {
        return false;
    }
    cursor::more more = in.next(']');
    for (; more == cursor::more::yes; more = in.next(']')) {
        typename T::value_type element{}; // a vector<bool> has no element to read into
        if (!read(in, element)) {
            in.wrong.inside(into.size());
            return false;
        }
        into.push_back(std::move(element));
    }
    return more == cursor::more::no;
}

template <class T>
[[nodiscard]] auto read_array(cursor& in, T& into) -> bool {
    if (!in.open('[', "an array")) {
        return false;
    }
    std::size_t count = 0;
    cursor::more more = in.next(']');
    for (; more == cursor::more::yes && count < into.size(); more = in.next(']'), ++count) {
        if (!read(in, into[count])) {
            in.wrong.inside(count);
            return false;
        }
    }
    if (more == cursor::more::failed) {
        return false;
    }
    return (more == cursor::more::no && count == into.size()) ||
           in.fail("expected an array of " + std::to_string(into.size()) + " elements, got " +
                   (more == cursor::more::yes ? "more" : std::to_string(count)));
}

template <class T>
[[nodiscard]] auto read_map(cursor& in, T& into) -> bool {
    into.clear();
    if (!in.open('{', "an object")) {
        return false;
    }
    cursor::more more = in.next('}');
    for (; more == cursor::more::yes; more = in.next('}')) {
        std::string key;
        if (!in.read_string(key) || !in.colon()) {
            return false;
        }
        typename T::mapped_type value{};
        if (!read(in, value)) {
            in.wrong.inside(std::string_view(key));
            return false;
        }
        into.insert_or_assign(std::move(key), std::move(value)); // the last of a name counts
    }
    return more == cursor::more::no;
}

/// Reads an object into the members that `contract<T>::fields` names, fastest in declared order, in
/// any other order too. Unknown names are passed over; of a name that comes twice the last counts.
template <fielded T>
class fields_reader {
public:
    fields_reader(cursor& in, T& into) : in_(in), into_(into) {}

    [[nodiscard]] auto run() -> bool {
        static_assert(check_fields<T>());
        if (!in_.open('{', "an object")) {
            return false;
        }
        more_ = in_.next('}');
        while (more_ == cursor::more::yes) {
            const bool took =
                each_field([this]<std::size_t I>() { return this->template take<I>(); });
            if (!took && more_ == cursor::more::yes) {
                more_ = other() ? in_.next('}') : cursor::more::failed;
            }
        }
        return more_ == cursor::more::no &&
               !each_field([this]<std::size_t I>() { return this->template missing<I>(); });
    }

private:
    static constexpr std::size_t count = field_count<T>;

    /// Calls `step` for each field in order; true when one of them returned true.
    template <class Step>
    auto each_field(Step step) -> bool {
        return [&]<std::size_t... I>(std::index_sequence<I...> /*unused*/) {
            bool any = false;
            static_cast<void>(((any = step.template operator()<I>() || any), ...));
            return any;
        }(std::make_index_sequence<count>());
    }

    /// Reads field `I` if its name is next, spelled plainly, and goes on to the next name.
    template <std::size_t I>
    auto take() -> bool {
        constexpr const auto& literal = key_literal<T, I>;
        if (more_ != cursor::more::yes ||
            !in_.take(std::string_view(literal.data(), literal.size() - 1))) {
            return false;
        }
        more_ = value<I>() ? in_.next('}') : cursor::more::failed;
        return true;
    }
    template <std::size_t I>
    auto value() -> bool {
        if (!in_.colon()) {
            return false;
        }
        seen_[I] = true;
        if (!read(in_, into_.*(std::get<I>(contract<T>::fields).member))) {
            in_.wrong.inside(field_name<T, I>());
            return false;
        }
        return true;
    }

    /// A name that is unknown, or a known one with escapes in it.
    auto other() -> bool {
        std::string_view name;
        if (!in_.view_string(name)) {
            return false;
        }
        bool ok = false;
        const bool known = each_field([&]<std::size_t I>() {
            if (name != field_name<T, I>()) {
                return false;
            }
            name = {};
            ok = value<I>();
            return true;
        });
        if (known) {
            return ok;
        }
        if (!in_.colon()) {
            return false;
        }
        if (!in_.skip()) {
            in_.wrong.inside(name);
            return false;
        }
        return true;
    }

    template <std::size_t I>
    auto missing() -> bool {
        if (seen_[I] || incomplete_) {
            return false;
        }
        constexpr const auto& definition = std::get<I>(contract<T>::fields);
        if constexpr (definition.required) {
            in_.fail("required, but missing");
            in_.wrong.inside(definition.name);
            incomplete_ = true;
            return true;
        } else {
            auto& member = into_.*definition.member;
            if constexpr (is_optional<std::remove_cvref_t<decltype(member)>>) {
                member.reset();
            }
            return false;
        }
    }

    cursor& in_;
    T& into_;
    cursor::more more_ = cursor::more::no;
    std::array<bool, count> seen_{};
    bool incomplete_ = false;
};

[[nodiscard]] inline auto read_free_form(cursor& in, nlohmann::json& into) -> bool {
    static_cast<void>(in.peek());
    const char* const start = in.position();
    if (!in.skip()) {
        return false;
    }
    into = nlohmann::json::parse(start, in.position(), nullptr, false);
    return !into.is_discarded() || in.fail("a number is out of range");
}

template <user_read T>
[[nodiscard]] auto read_by_user(cursor& in, T& into) -> bool {
    nlohmann::json parsed;
    return read_free_form(in, parsed) && from_free_form(parsed, into, in.wrong);
}

template <class T>
[[nodiscard]] auto read_optional(cursor& in, T& into) -> bool {
    if (in.peek() == 'n') {
        into.reset();
        return in.word("null");
    }
    return read(in, into.emplace());
}

template <class T>
auto read(cursor& in, T& into) -> bool {
    if constexpr (text<T>) {
        return in.read_string(into);
    } else if constexpr (boolean<T>) {
        return read_bool(in, into);
    } else if constexpr (integer<T>) {
        return read_integer(in, into);
    } else if constexpr (real<T>) {
        return read_real(in, into);
    } else if constexpr (named_enum<T>) {
        return read_enum(in, into);
    } else if constexpr (is_optional<T>) {
        return read_optional(in, into);
    } else if constexpr (is_sys_time<T>) {
        return read_time(in, into);
    } else if constexpr (bytes<T>) {
        return read_bytes(in, into);
    } else if constexpr (is_vector<T>) {
        return read_vector(in, into);
    } else if constexpr (is_array<T>) {
        return read_array(in, into);
    } else if constexpr (is_map<T>) {
        return read_map(in, into);
    } else if constexpr (fielded<T>) {
        return fields_reader<T>(in, into).run();
    } else if constexpr (free_form<T>) {
        return read_free_form(in, into);
    } else if constexpr (user_read<T>) {
        return read_by_user(in, into);
    } else {
        refuse<T>();
    }
}

} // namespace cobus::detail::json
