#pragma once

#include <cobus/json.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

/// Events that have every kind of member once.
namespace samples {

enum class vote : unsigned char { up, down };

struct place {
    std::string city;
    std::optional<double> latitude;

    friend auto operator==(const place&, const place&) -> bool = default;
};

/// Converted by its own functions.
struct money {
    std::int64_t cents = 0;
    std::string currency;

    friend auto operator==(const money&, const money&) -> bool = default;
    friend void to_json(nlohmann::json& json, const money& from) {
        json = {{"cents", from.cents}, {"currency", from.currency}};
    }
    friend void from_json(const nlohmann::json& json, money& into) {
        if (json.at("cents").is_number_float()) { // nlohmann would cut it, whatever its size
            throw std::invalid_argument("cents is no integer");
        }
        json.at("cents").get_to(into.cents);
        json.at("currency").get_to(into.currency);
    }
};

/// May hold itself, so depth comes from data.
struct branch {
    std::vector<branch> twigs;

    friend auto operator==(const branch&, const branch&) -> bool = default;
};

struct everything {
    bool flag = false;
    std::int8_t i8 = 0;
    std::uint8_t u8 = 0;
    std::int16_t i16 = 0;
    std::uint16_t u16 = 0;
    std::int32_t i32 = 0;
    std::uint32_t u32 = 0;
    std::int64_t i64 = 0;
    std::uint64_t u64 = 0;
    float f = 0;
    double d = 0;
    std::string text;
    vote choice = vote::up;
    std::optional<int> maybe;
    std::vector<int> numbers;
    std::vector<bool> bits;
    std::array<int, 3> triple{};
    std::map<std::string, place> places;
    std::unordered_map<std::string, int> counts;
    place home;
    money price;
    std::chrono::sys_time<std::chrono::milliseconds> at;
    std::vector<std::byte> blob;
    nlohmann::json free;

    friend auto operator==(const everything&, const everything&) -> bool = default;
};

/// An event without fields.
struct invoice {
    std::string number;
    money total;

    friend auto operator==(const invoice&, const invoice&) -> bool = default;
    friend void to_json(nlohmann::json& json, const invoice& from) {
        json = {{"number", from.number}, {"total", from.total}};
    }
    friend void from_json(const nlohmann::json& json, invoice& into) {
        json.at("number").get_to(into.number);
        json.at("total").get_to(into.total);
    }
};

struct greeting {
    std::string to;
    std::string tone = "warm";
    std::optional<std::string> from;

    friend auto operator==(const greeting&, const greeting&) -> bool = default;
};

} // namespace samples

template <>
struct cobus::contract<samples::vote> {
    static constexpr auto values =
        cobus::values(value("upvote", samples::vote::up), value("downvote", samples::vote::down));
};
template <>
struct cobus::contract<samples::place> {
    static constexpr auto fields = cobus::fields(field("city", &samples::place::city),
                                                 field("latitude", &samples::place::latitude));
};
template <>
struct cobus::contract<samples::branch> {
    static constexpr auto fields = cobus::fields(field("twigs", &samples::branch::twigs));
};
template <>
struct cobus::contract<samples::everything> {
    using e = samples::everything;
    static constexpr std::string_view type = "everything", topic = "samples";
    static constexpr auto fields = cobus::fields(
        field("flag", &e::flag), field("i8", &e::i8), field("u8", &e::u8), field("i16", &e::i16),
        field("u16", &e::u16), field("i32", &e::i32), field("u32", &e::u32), field("i64", &e::i64),
        field("u64", &e::u64), field("f", &e::f), field("d", &e::d), field("text", &e::text),
        field("choice", &e::choice), field("maybe", &e::maybe), field("numbers", &e::numbers),
        field("bits", &e::bits), field("triple", &e::triple), field("places", &e::places),
        field("counts", &e::counts), field("home", &e::home), field("price", &e::price),
        field("at", &e::at), field("blob", &e::blob), field("free", &e::free));
    using codec = cobus::json_codec;
};
template <>
struct cobus::contract<samples::invoice> {
    static constexpr std::string_view type = "invoice", topic = "samples";
    using codec = cobus::json_codec;
};
template <>
struct cobus::contract<samples::greeting> {
    static constexpr std::string_view type = "greeting", topic = "samples";
    static constexpr auto fields = cobus::fields(
        field("to", &samples::greeting::to), field("tone", &samples::greeting::tone).or_default(),
        field("from", &samples::greeting::from));
    using codec = cobus::json_codec;
};

namespace samples {

/// The text of an event, or what was wrong, in front of which stands '!'.
template <class E>
[[nodiscard]] auto written(const E& event) -> std::string {
    std::string out;
    const cobus::codec_result result = cobus::json_codec::encode(event, out);
    return result.ok() ? out : "!" + result.problem() + out;
}

/// What is wrong with a text, or nothing.
template <class E>
[[nodiscard]] auto problem_of(std::string_view text) -> std::string {
    E into;
    return cobus::json_codec::decode(text, into).problem();
}

template <class T>
struct holder {
    T value{};
};

} // namespace samples

template <class T>
struct cobus::contract<samples::holder<T>> {
    static constexpr auto fields = cobus::fields(field("value", &samples::holder<T>::value));
};
