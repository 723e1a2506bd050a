#include "json_samples.hpp"

#include <cobus/message.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <string_view>

namespace {

using namespace samples;
using cobus::json_codec;
using cobus::message;

/// Random events that like the edges of every type.
class generator {
public:
    explicit generator(unsigned seed) : random_(seed) {}

    auto event() -> everything {
        everything e;
        e.flag = coin();
        e.i8 = number<std::int8_t>();
        e.u8 = number<std::uint8_t>();
        e.i16 = number<std::int16_t>();
        e.u16 = number<std::uint16_t>();
        e.i32 = number<std::int32_t>();
        e.u32 = number<std::uint32_t>();
        e.i64 = number<std::int64_t>();
        e.u64 = number<std::uint64_t>();
        e.f = static_cast<float>(real());
        e.d = real();
        e.text = text();
        e.choice = coin() ? vote::up : vote::down;
        e.maybe = coin() ? std::optional(number<int>()) : std::nullopt;
        repeat([&] { e.numbers.push_back(number<int>()); });
        repeat([&] { e.bits.push_back(coin()); });
        e.triple = {number<int>(), number<int>(), number<int>()};
        repeat([&] {
            e.places[text()] = place{text(), coin() ? std::optional(real()) : std::nullopt};
        });
        repeat([&] { e.counts[text()] = number<int>(); });
        e.home = {text(), std::nullopt};
        e.price = {number<std::int64_t>(), text()};
        // 0000-01-01 to 9999-12-31
        e.at = decltype(e.at)(std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(
            -62'167'219'200'000, 253'402'300'799'999)(random_)));
        repeat([&] { e.blob.push_back(std::byte{number<std::uint8_t>()}); });
        e.free = {{text(), number<int>()}, {"list", {text(), nullptr, coin()}}};
        return e;
    }

    auto coin() -> bool { return (random_() & 1U) != 0; }
    auto below(std::size_t limit) -> std::size_t { return random_() % limit; }

private:
    template <class T>
    auto number() -> T {
        using limits = std::numeric_limits<T>;
        switch (random_() % 4) {
        case 0:
            return limits::min();
        case 1:
            return limits::max();
        default:
            return static_cast<T>((std::uint64_t{random_()} << 32U | random_()) >> random_() % 64);
        }
    }
    auto real() -> double {
        const double value = std::uniform_real_distribution<double>(-1, 1)(random_);
        return coin() ? value : std::ldexp(value, static_cast<int>(random_() % 200) - 100);
    }
    auto text() -> std::string {
        static const std::array<std::string_view, 10> pieces{
            "a", "plain text ", "\"", "\\",  "\n", std::string_view("\0", 1),
            "é", "€",           "😀", "\x7f"};
        std::string made;
        repeat([&] { made += pieces[below(pieces.size())]; });
        return made;
    }
    template <class Step>
    void repeat(Step step) {
        for (std::size_t left = below(12); left > 0; --left) {
            step();
        }
    }

    std::mt19937 random_;
};

/// Whether the codec takes a text as free-form JSON, whatever it says.
auto takes(std::string_view text) -> bool {
    nlohmann::json into;
    return json_codec::decode(text, into).ok();
}

auto enveloped() -> message {
    message m("samples", "greeting", R"({"to":"Ada"})");
    m.id(cobus::message_id::from_text("0190a0c1-0000-7000-8000-0000000000ff"));
    m.source("/tests");
    m.time(cobus::time_point(std::chrono::milliseconds(1'763'718'478'123)));
    return m;
}
auto wrapped(const message& m) -> std::string {
    std::string out;
    const auto result = json_codec::wrap(m, out);
    return result.ok() ? out : "!" + result.problem();
}
auto unwrapped(std::string_view text, message& into) -> std::string {
    into.payload(std::string(text));
    return json_codec::unwrap(into).problem();
}
auto unwrap_problem(std::string_view text) -> std::string {
    message m;
    return unwrapped(text, m);
}

} // namespace

TEST_CASE("random events come back as they were, and other readers understand them") {
    generator make(20'261'121);
    for (int i = 0; i < 2'000; ++i) {
        const everything event = make.event();
        const std::string text = written(event);
        REQUIRE(nlohmann::json::accept(text));
        everything back;
        const auto result = json_codec::decode(text, back);
        REQUIRE_MESSAGE(result.ok(), result.problem());
        REQUIRE(back == event);
        // Written by another writer: other order, white space, other escapes.
        everything again;
        const std::string other = nlohmann::json::parse(text).dump(2, ' ', true);
        const auto second = json_codec::decode(other, again);
        REQUIRE_MESSAGE(second.ok(), second.problem());
        REQUIRE(again == event);
    }
}

TEST_CASE("an event decoded over another one is as if decoded alone") {
    generator make(7);
    everything into;
    for (int i = 0; i < 200; ++i) {
        const everything event = make.event();
        REQUIRE(json_codec::decode(written(event), into).ok());
        REQUIRE(into == event);
    }
}

TEST_CASE("damaged texts are judged as a second parser judges them, and never harm") {
    generator make(99);
    std::size_t refused = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string text = written(make.event());
        for (std::size_t k = make.below(3); k < 3; ++k) {
            constexpr std::string_view bytes = "{}[]\",:\\u0e-.tn \x01\x80\xed\xff";
            const std::size_t where = make.below(text.size());
            switch (make.below(3)) {
            case 0:
                text[where] = bytes[make.below(bytes.size())];
                break;
            case 1:
                text.erase(where, 1 + make.below(5));
                break;
            default:
                text.insert(where, 1, bytes[make.below(bytes.size())]);
                break;
            }
        }
        CAPTURE(text);
        const bool accepted = nlohmann::json::accept(text);
        REQUIRE(takes(text) == accepted);
        everything into;
        if (!json_codec::decode(text, into).ok()) {
            ++refused;
        } else {
            REQUIRE(accepted);
        }
    }
    CHECK(refused > 10'000);
}

TEST_CASE("an event without fields goes through its own functions") {
    const invoice event{"R-1", {995, "EUR"}};
    CHECK(written(event) == R"({"number":"R-1","total":{"cents":995,"currency":"EUR"}})");
    invoice back;
    CHECK(json_codec::decode(written(event), back).ok());
    CHECK(back == event);
}

TEST_CASE("the type is read from the body without reading the rest") {
    CHECK(json_codec::peek_type(R"({"event_type":"a"})", "event_type") == "a");
    CHECK(json_codec::peek_type(R"( {"x":{"type":"no"},"type" : "\u0061b"} )", "type") == "ab");
    CHECK(json_codec::peek_type(R"({"type":"a", broken)", "type") == "a");
    CHECK(json_codec::peek_type(R"({"t\u0079pe":"a"})", "type") == "a");
    CHECK(json_codec::peek_type(R"({"type":1})", "type") == std::nullopt);
    CHECK(json_codec::peek_type(R"({"x":bad,"type":"a"})", "type") == std::nullopt);
    CHECK(json_codec::peek_type(R"({"x":1})", "type") == std::nullopt);
    CHECK(json_codec::peek_type("[]", "type") == std::nullopt);
    CHECK(json_codec::peek_type("", "type") == std::nullopt);
}

TEST_CASE("a message is wrapped as a CloudEvent and unwrapped again") {
    message m = enveloped();
    m.headers().add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    m.headers().add("x-private", "stays outside");
    m.headers().add_null("empty");
    const std::string text = wrapped(m);
    CHECK(
        text ==
        R"({"specversion":"1.0","id":"0190a0c1-0000-7000-8000-0000000000ff","source":"/tests",)"
        R"("type":"greeting","time":"2025-11-21T09:47:58.123Z","datacontenttype":"application/json",)"
        R"("traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",)"
        R"("data":{"to":"Ada"}})");
    message back;
    CHECK(unwrapped(text, back) == "");
    CHECK(back.id() == m.id());
    CHECK(back.source() == "/tests");
    CHECK(back.type() == "greeting");
    CHECK(back.time() == m.time());
    CHECK(back.payload() == m.payload());
    CHECK(back.headers().get("traceparent") == m.headers().get("traceparent"));
    CHECK(back.headers().get("content-type") == "application/json");
    CHECK(wrapped(back) == text);
}

TEST_CASE("a payload that is no JSON travels as base64") {
    message m = enveloped();
    m.payload(std::string("\x00\xFF{", 3));
    m.headers().add("content-type", "application/octet-stream");
    const std::string text = wrapped(m);
    CHECK(text.ends_with(R"("datacontenttype":"application/octet-stream","data_base64":"AP97"})"));
    message back;
    CHECK(unwrapped(text, back) == "");
    CHECK(back.payload() == m.payload());
    m.headers().set("content-type", "application/json"); // a lie
    CHECK(wrapped(m).ends_with(R"("data_base64":"AP97"})"));
}

TEST_CASE("a message without payload is an event without data") {
    message m = enveloped();
    m.no_payload();
    const std::string text = wrapped(m);
    CHECK(text.find("data\"") == std::string::npos);
    message back;
    CHECK(unwrapped(text, back) == "");
    CHECK(back.is_null());
}

TEST_CASE("data is JSON as it stands, or text when its type says so") {
    const std::string head = R"({"specversion":"1.0","id":"1","source":"/s","type":"t",)";
    message m;
    CHECK(unwrapped(head + R"("data":"text"})", m) == "");
    CHECK(m.payload() == "\"text\"");
    CHECK(unwrapped(head + R"("data":"a\nb","datacontenttype":"text/plain"})", m) == "");
    CHECK(m.payload() == "a\nb");
    CHECK(unwrapped(head + R"("data": [1, 2] ,"datacontenttype":"Application/X+JSON; q=1"})", m) ==
          "");
    CHECK(m.payload() == "[1, 2]");
    CHECK(unwrapped(head + R"("data":null})", m) == "");
    CHECK(m.payload() == "null");
}

TEST_CASE("extensions become headers in their canonical text") {
    message m;
    CHECK(
        unwrapped(R"({"specversion":"1.0","id":"order 7","source":"/s","type":"t","n":-5,"b":true,)"
                  R"("subject":"s","nothing":null,"dataschema":"http://x/y"})",
                  m) == "");
    CHECK(m.id().str() == "order 7");
    CHECK(m.headers().get("n") == "-5");
    CHECK(m.headers().get("b") == "true");
    CHECK(m.headers().get("subject") == "s");
    CHECK(m.headers().get("dataschema") == "http://x/y");
    CHECK_FALSE(m.headers().get("nothing"));
}

TEST_CASE("what is no CloudEvent is refused, and the message stays as it was") {
    CHECK(unwrap_problem("[]") == "$: expected a CloudEvent in an object, got an array");
    CHECK(unwrap_problem("{}") == "$.specversion: required, but missing or empty");
    CHECK(unwrap_problem(R"({"specversion":"0.3"})") == "$.specversion: expected 1.0, got '0.3'");
    CHECK(unwrap_problem(R"({"specversion":"1.0","id":"","source":"/s","type":"t"})") ==
          "$.id: required, but missing or empty");
    CHECK(unwrap_problem(R"({"specversion":"1.0","id":"1","source":"/s"})") ==
          "$.type: required, but missing or empty");
    const std::string head = R"({"specversion":"1.0","id":"1","source":"/s","type":"t",)";
    CHECK(unwrap_problem(head + R"("data":1,"data_base64":"AA=="})") ==
          "$: both data and data_base64 are there");
    CHECK(unwrap_problem(head + R"("data_base64":"A"})") ==
          "$.data_base64: the text is not base64");
    CHECK(unwrap_problem(head + R"("time":"today"})") == "$.time: 'today' is no time");
    CHECK(unwrap_problem(head + R"("ext":{}})") ==
          "$.ext: expected a string, integer or boolean, got an object");
    CHECK(unwrap_problem(head + R"("ext":1.5})") == "$.ext: expected an integer, got '1.5'");
    CHECK(unwrap_problem(head + R"("Ext":"x"})") ==
          "$.Ext: attributes are named by lower case letters and digits");
    CHECK(unwrap_problem(head + R"("data":{"a":}})").starts_with("$.data: not JSON at byte"));
    message m = enveloped();
    m.payload("{}");
    CHECK_FALSE(json_codec::unwrap(m).ok());
    CHECK(m.payload() == "{}");
    CHECK(m.type() == "greeting");
}

TEST_CASE("a message without id or type, or not yet encoded, cannot be wrapped") {
    CHECK(wrapped(message("t", "type", "{}")) == "!$: a CloudEvent needs an id and a type");
    message m = enveloped();
    m.source("");
    CHECK(wrapped(m).find(R"("source":"/cobus")") != std::string::npos);
    m.type("\xFF");
    CHECK(wrapped(m) == "!$.type: the text is not UTF-8");
}

TEST_CASE("the message makes bytes and event from each other through the codec") {
    message m;
    m.adopt(cobus::detail::make_box<greeting>("Ada", "cold", std::nullopt));
    CHECK(m.ensure_bytes().ok());
    CHECK(m.payload() == R"({"to":"Ada","tone":"cold"})");
    message bytes("samples", "greeting", R"({"to":1})");
    CHECK(bytes.ensure_object(cobus::detail::info_of<greeting>()).problem() ==
          "$.to: expected a string, got a number");
    bytes.payload(R"({"to":"Bob"})");
    CHECK(bytes.ensure_object(cobus::detail::info_of<greeting>()).ok());
    CHECK(bytes.object<greeting>()->to == "Bob");
}
