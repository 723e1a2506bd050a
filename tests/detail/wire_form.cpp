#include <cobus/detail/wire_form.hpp>
#include <cobus/json.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace wire_form_tests {

struct letter {
    std::string text;
};
struct number {
    int value = 0;
};

} // namespace wire_form_tests

template <> struct cobus::contract<wire_form_tests::letter> {
    static constexpr std::string_view type = "letter", topic = "letters";
    static constexpr auto wire = cobus::wire::structured();
    static constexpr auto fields = cobus::fields(field("text", &wire_form_tests::letter::text));
    using codec = cobus::json_codec;
};
template <> struct cobus::contract<wire_form_tests::number> {
    static constexpr std::string_view type = "number", topic = "numbers";
    static constexpr auto wire = cobus::wire::structured();
};

namespace wire_form_tests {

using cobus::detail::wire_form;
using mode = cobus::wire::mode;

auto raw(std::string_view type, std::string_view content_type) -> cobus::message {
    cobus::message made;
    made.type(type);
    made.payload("{}");
    if (!content_type.empty()) {
        made.headers().set("content-type", content_type);
    }
    return made;
}

TEST_CASE("a message without a type has no envelope") {
    CHECK(wire_form(raw("", ""), cobus::wire::binary()) == mode::plain);
    CHECK(wire_form(raw("", ""), cobus::wire::structured()) == mode::plain);
}

TEST_CASE("a payload that is an envelope is not put into another") {
    const cobus::message enveloped = raw("letter", "application/cloudevents+json; charset=utf-8");
    CHECK(wire_form(enveloped, cobus::wire::binary()) == mode::plain);
}

TEST_CASE("a payload of many envelopes is a payload as any other") {
    const cobus::message many = raw("letters", "application/cloudevents-batch+json");
    CHECK(wire_form(many, cobus::wire::binary()) == mode::binary);
}

TEST_CASE("the contract decides before the bus, and what cannot be wrapped is in binary mode") {
    CHECK(wire_form(raw("letter", ""), cobus::wire::structured()) == mode::binary);
    cobus::message wrapped;
    wrapped.type("letter");
    wrapped.adopt(cobus::detail::make_box<letter>("a"));
    CHECK(wire_form(wrapped, cobus::wire::plain()) == mode::structured);
    cobus::message without_codec;
    without_codec.type("number");
    without_codec.adopt(cobus::detail::make_box<number>(1));
    CHECK(wire_form(without_codec, cobus::wire::plain()) == mode::binary);
}

TEST_CASE("what was decided before it went into a file holds") {
    cobus::message from_a_file = raw("letter", "");
    from_a_file.form(mode::plain);
    CHECK(wire_form(from_a_file, cobus::wire::binary()) == mode::plain);
}

} // namespace wire_form_tests
