#pragma once

#include "detail/text.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cobus {

/// The wire contract of an event, specialised by the user next to the struct:
///
///     template <> struct cobus::contract<user_registered> {
///         static constexpr std::string_view type = "user.registered", topic = "user.events";
///         static constexpr auto key = &user_registered::user_id;              // optional
///         static constexpr auto fields = cobus::fields(cobus::field("userId",
///         &user_registered::user_id)); using codec = cobus::json_codec; // needed to leave the
///         process
///     };
///
/// `type` and `topic` are text, a member pointer, or a static function of the event. Further
/// members, all optional: `version`, `description`, `key` (member pointer or function), `id` and
/// `time` (member pointers: the event's own identity and time), `policy`, `wire`, `outbox` (true:
/// published through an outbox only), `types` and `topics` (arrays that list what a dynamic `type`
/// or `topic` can be). Nested structs need `fields` only, enums `values` only.
template <class E>
struct contract;

/// One member under its name on the wire. A `std::optional` may be missing; anything else must be
/// there, unless `or_default()` says that a missing one keeps its initial value.
template <class Owner, class Member>
struct field_definition {
    using owner = Owner;
    using value_type = Member;

    std::string_view name;
    Member Owner::* member;
    bool required = true;

    [[nodiscard]] constexpr auto or_default() const -> field_definition {
        return {name, member, false};
    }
};

template <class Owner, class Member>
[[nodiscard]] constexpr auto field(std::string_view name, Member Owner::* member)
    -> field_definition<Owner, Member> {
    static_assert(!std::is_same_v<Member, std::string_view>,
                  "cobus: an event owns its fields: use std::string instead of std::string_view");
    static_assert(!std::is_pointer_v<Member>, "cobus: an event owns its fields: no pointers");
    return {name, member, !detail::is_optional<Member>};
}

template <class... Fields>
[[nodiscard]] constexpr auto fields(Fields... all) -> std::tuple<Fields...> {
    return {all...};
}

/// One enumerator under its name on the wire.
template <class Enum>
struct value_definition {
    std::string_view name;
    Enum value;
};
template <class Enum>
[[nodiscard]] constexpr auto value(std::string_view name, Enum enumerator)
    -> value_definition<Enum> {
    static_assert(std::is_enum_v<Enum>, "cobus: value() names the enumerators of an enum");
    return {name, enumerator};
}
template <class Enum, class... More>
[[nodiscard]] constexpr auto values(value_definition<Enum> first, More... more)
    -> std::array<value_definition<Enum>, 1 + sizeof...(More)> {
    return {first, more...};
}

/// What becomes of an event while Kafka is away. Spool files keep the number: new ones come last.
enum class policy : unsigned char {
    deliver,           ///< handlers of this process get it now; it never reaches Kafka
    wait,              ///< the publisher is suspended until Kafka is back, or a limit passes
    fail,              ///< the publisher gets `errc::unavailable` at once
    deliver_and_spool, ///< handlers of this process get it now where the order allows that, and it
                       ///< is kept for Kafka
    spool,             ///< it is kept for Kafka
};

/// Whether events of that policy are kept for Kafka.
[[nodiscard]] constexpr auto spools(policy what) noexcept -> bool {
    return what == policy::deliver_and_spool || what == policy::spool;
}

/// How a message looks on Kafka.
class wire {
public:
    enum class mode : unsigned char {
        binary,     ///< CloudEvents 1.0, attributes in `ce_` headers, payload as it is
        structured, ///< CloudEvents 1.0, everything in one JSON object
        plain,      ///< the payload alone; no header that nobody asked for
    };

    [[nodiscard]] static constexpr auto binary() -> wire { return wire(mode::binary, {}); }
    [[nodiscard]] static constexpr auto structured() -> wire { return wire(mode::structured, {}); }
    /// `type_field` names the member of the body that says the type, as `event_type`; empty when
    /// every message of the topic is of one type.
    [[nodiscard]] static constexpr auto plain(std::string_view type_field = {}) -> wire {
        return wire(mode::plain, type_field);
    }

    [[nodiscard]] constexpr auto how() const noexcept -> mode { return mode_; }
    [[nodiscard]] constexpr auto type_field() const noexcept -> std::string_view {
        return type_field_;
    }

    friend constexpr auto operator==(const wire&, const wire&) -> bool = default;

private:
    constexpr wire(mode how, std::string_view type_field) : mode_(how), type_field_(type_field) {}

    mode mode_;
    std::string_view type_field_;
};

/// What a codec says: nothing when all went well, else what is wrong and where.
class codec_result {
public:
    codec_result() = default;
    explicit codec_result(std::string problem) : problem_(std::move(problem)) {}

    [[nodiscard]] auto ok() const noexcept -> bool { return problem_.empty(); }
    [[nodiscard]] auto problem() const noexcept -> const std::string& { return problem_; }

private:
    std::string problem_;
};

/// The JSON codec: named here so that contracts can name it, defined in <cobus/json.hpp>.
struct json_codec;

template <class E>
concept event = requires {
    contract<E>::type;
    contract<E>::topic;
} && std::is_object_v<E> && std::is_same_v<E, std::remove_cvref_t<E>>;

namespace detail {

template <class E>
inline constexpr bool type_is_text = requires {
    { contract<E>::type } -> std::convertible_to<std::string_view>;
};
template <class E>
inline constexpr bool topic_is_text = requires {
    { contract<E>::topic } -> std::convertible_to<std::string_view>;
};
template <class E>
inline constexpr bool has_codec = requires { typename contract<E>::codec; };
template <class E>
inline constexpr bool has_key = requires { contract<E>::key; };
/// Its direct way is off: what is committed with other data must not overtake it.
template <class E>
inline constexpr bool through_outbox = [] {
    if constexpr (requires { contract<E>::outbox; }) {
        return static_cast<bool>(contract<E>::outbox);
    } else {
        return false;
    }
}();
template <class Codec>
inline constexpr bool codec_is_defined = requires { sizeof(Codec); };

/// What a rule of a contract says of an event: itself, the member it points to, or what it returns.
template <class E, class Rule>
[[nodiscard]] constexpr auto rule_of(const Rule& rule, const E& event) -> decltype(auto) {
    if constexpr (std::is_member_object_pointer_v<Rule>) {
        return (event.*rule);
    } else if constexpr (std::is_invocable_v<const Rule&, const E&>) {
        return rule(event);
    } else {
        return (rule);
    }
}

/// Turns a wrong contract into one readable message.
template <class E>
consteval auto check_contract() -> bool {
    static_assert(event<E>,
                  "cobus: this type has no contract: specialise cobus::contract<E> with `type` and "
                  "`topic` before its first use");
    if constexpr (event<E>) {
        static_assert(std::is_move_constructible_v<E>,
                      "cobus: an event must be movable or copyable");
        if constexpr (type_is_text<E>) {
            static_assert(!std::string_view(contract<E>::type).empty(),
                          "cobus: the contract's type is empty");
        }
        if constexpr (topic_is_text<E>) {
            static_assert(is_topic_name(contract<E>::topic),
                          "cobus: the contract's topic is no topic name: 1 to 249 letters, digits, "
                          "'.', '_' and "
                          "'-', but not '.' or '..'");
        }
        if constexpr (has_codec<E>) {
            static_assert(
                codec_is_defined<typename contract<E>::codec>,
                "cobus: the contract's codec is only declared: include its header, such as "
                "<cobus/json.hpp>");
        }
    }
    return true;
}

} // namespace detail
} // namespace cobus
