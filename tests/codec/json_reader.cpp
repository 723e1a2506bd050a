#include "json_samples.hpp"

#include <cobus/json.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>

namespace {

using namespace samples;

template <class T>
auto value_of(std::string_view json) -> T {
    holder<T> into;
    const auto result = cobus::json_codec::decode(R"({"value":)" + std::string(json) + "}", into);
    CHECK_MESSAGE(result.ok(), result.problem());
    return into.value;
}
template <class T>
auto problem_with(std::string_view json) -> std::string {
    return problem_of<holder<T>>(R"({"value":)" + std::string(json) + "}");
}
auto nested(int levels, const std::string& open, const std::string& close) -> std::string {
    std::string text;
    for (int i = 0; i < levels; ++i) {
        text += open;
    }
    for (int i = 0; i < levels; ++i) {
        text += close;
    }
    return text;
}

} // namespace

TEST_CASE("members may come in any order, with any white space, and unknown ones are passed over") {
    greeting expected{"Ada", "cold", "Bob"};
    for (const std::string_view text :
         {R"({"to":"Ada","tone":"cold","from":"Bob"})",
          R"({"from":"Bob","tone":"cold","to":"Ada"})",
          " {\n\t\"tone\" : \"cold\" ,\r\"to\" :\"Ada\",\"from\": \"Bob\" } \n",
          R"({"x":[{"to":1},"]}"],"to":"Ada","y":null,"from":"Bob","tone":"cold","z":{"a":{}}})",
          R"({"\u0074o":"Ada","to\u006ee":"cold","from":"\u0042ob"})"}) {
        greeting into;
        const auto result = cobus::json_codec::decode(text, into);
        CHECK_MESSAGE(result.ok(), result.problem());
        CHECK(into == expected);
    }
}

TEST_CASE("of a name that comes twice the last counts") {
    greeting into;
    CHECK(cobus::json_codec::decode(R"({"to":"a","to":"b","tone":"c","to":"d"})", into).ok());
    CHECK(into.to == "d");
    CHECK(value_of<std::map<std::string, int>>(R"({"a":1,"a":2})") ==
          std::map<std::string, int>{{"a", 2}});
}

TEST_CASE("missing members: optionals are empty, defaults stay, the others are errors") {
    greeting into{"x", "default", "y"};
    CHECK(cobus::json_codec::decode(R"({"to":"Ada"})", into).ok());
    CHECK(into == greeting{"Ada", "default", std::nullopt});
    CHECK(problem_of<greeting>("{}") == "$.to: required, but missing");
    CHECK(problem_of<everything>("{}") == "$.flag: required, but missing");
    CHECK(problem_of<holder<std::vector<place>>>(R"({"value":[{"city":"a"},{}]})") ==
          "$.value[1].city: required, but missing");
}

TEST_CASE("null is an optional that is not there, and nothing else") {
    CHECK(value_of<std::optional<int>>("null") == std::nullopt);
    CHECK(value_of<std::optional<int>>("3") == 3);
    CHECK(problem_with<int>("null") == "$.value: expected an integer, got null");
    CHECK(problem_with<std::optional<int>>("nul") ==
          "$.value: not JSON at byte 9: expected 'null'");
    CHECK(problem_of<greeting>(R"({"to":null})") == "$.to: expected a string, got null");
}

TEST_CASE("a wrong type is an error that names the path and both types") {
    CHECK(problem_with<std::string>("1") == "$.value: expected a string, got a number");
    CHECK(problem_with<bool>("\"true\"") == "$.value: expected true or false, got a string");
    CHECK(problem_with<int>("[1]") == "$.value: expected an integer, got an array");
    CHECK(problem_with<double>("{}") == "$.value: expected a number, got an object");
    CHECK(problem_with<std::vector<int>>("{}") == "$.value: expected an array, got an object");
    CHECK(problem_with<place>("true") == "$.value: expected an object, got true or false");
    CHECK(problem_with<place>("") == "$.value: not JSON at byte 9: no value begins here");
    CHECK(problem_with<std::map<std::string, std::vector<place>>>(R"({"a b":[{"city":1}]})") ==
          "$.value['a b'][0].city: expected a string, got a number");
    CHECK(problem_of<place>("[]") == "$: expected an object, got an array");
    CHECK(problem_of<place>("") == "$: expected an object, got the end of the text");
}

TEST_CASE("integers are whole and in range") {
    CHECK(value_of<std::int8_t>("-128") == -128);
    CHECK(value_of<std::uint64_t>("18446744073709551615") == 18446744073709551615U);
    CHECK(problem_with<std::int8_t>("128") == "$.value: 128 is out of range: -128 to 127");
    CHECK(problem_with<std::uint8_t>("-1") == "$.value: -1 is out of range: 0 to 255");
    CHECK(problem_with<std::uint64_t>("18446744073709551616") ==
          "$.value: 18446744073709551616 is out of range: 0 to 18446744073709551615");
    CHECK(problem_with<int>("1.0") == "$.value: expected an integer, got 1.0");
    CHECK(problem_with<int>("1e3") == "$.value: expected an integer, got 1e3");
    CHECK(problem_with<int>(std::string(1000, '9')).size() < 100);
}

TEST_CASE("real numbers are exact and in range") {
    CHECK(value_of<double>("0.1") == 0.1);
    CHECK(value_of<double>("-1.5E+2") == -150);
    CHECK(value_of<double>("7") == 7);
    CHECK(value_of<float>("3.4e38") == 3.4e38F);
    CHECK(problem_with<double>("1e400") == "$.value: 1e400 is out of range");
    CHECK(problem_with<float>("1e39") == "$.value: 1e39 is out of range");
}

TEST_CASE("an unknown enumerator is an error that lists the known ones") {
    CHECK(value_of<vote>("\"downvote\"") == vote::down);
    CHECK(problem_with<vote>("\"side\\u0077ays\"") ==
          "$.value: 'sideways' is none of upvote, downvote");
    CHECK(problem_with<vote>("1") == "$.value: expected a string, got a number");
}

TEST_CASE("an array has as many elements as its type") {
    using triple = std::array<int, 3>;
    CHECK(value_of<triple>("[1,2,3]") == triple{1, 2, 3});
    CHECK(problem_with<triple>("[1,2]") == "$.value: expected an array of 3 elements, got 2");
    CHECK(problem_with<triple>("[1,2,3,4]") ==
          "$.value: expected an array of 3 elements, got more");
    CHECK(problem_with<triple>("[]") == "$.value: expected an array of 3 elements, got 0");
}

TEST_CASE("times come with Z or an offset and up to nine digits of fraction") {
    using namespace std::chrono;
    using millis = sys_time<milliseconds>;
    const millis noon = sys_days(year(2026) / 11 / 21) + hours(12);
    CHECK(value_of<millis>("\"2026-11-21T12:00:00Z\"") == noon);
    CHECK(value_of<millis>("\"2026-11-21t12:00:00.5z\"") == noon + milliseconds(500));
    CHECK(value_of<millis>("\"2026-11-21T12:00:00.123456789Z\"") == noon + milliseconds(123));
    CHECK(value_of<millis>("\"2026-11-21T13:30:00+01:30\"") == noon);
    CHECK(value_of<millis>("\"2026-11-20T22:00:00-1400\"") == noon);
    CHECK(value_of<sys_time<nanoseconds>>("\"2026-11-21T12:00:00.123456789Z\"") ==
          noon + nanoseconds(123'456'789));
    CHECK(value_of<millis>("\"2016-12-31T23:59:60Z\"") == sys_days(year(2017) / 1 / 1));
    CHECK(value_of<sys_days>("\"1969-12-31T23:59:59Z\"") == sys_days(year(1969) / 12 / 31));
    CHECK(value_of<millis>("\"1969-12-31T23:59:59.999Z\"") == millis(milliseconds(-1)));
    for (const std::string_view bad :
         {"2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21",
          "2026-11-21T12:00:00", "2026-11-21T12:00:00.Z", "2026-11-21T12:00:00.1234567890Z",
          "2026-11-21 12:00:00Z", "2026-11-21T12:00:60Z", "+026-11-21T12:00:00Z", "", "Z",
          "2026-11-21T12:00:00+1", "2026-11-21T12:00:00+24:00", "2026-11-21T12:00:00ZZ"}) {
        CHECK(problem_with<millis>("\"" + std::string(bad) + "\"") ==
              "$.value: '" + std::string(bad) + "' is no time such as 2026-11-21T09:47:58.123Z");
    }
    CHECK(problem_with<sys_time<nanoseconds>>("\"9999-12-31T23:59:59Z\"") ==
          "$.value: the time '9999-12-31T23:59:59Z' is out of range");
    CHECK(problem_with<millis>("0") == "$.value: expected a time in a string, got a number");
}

TEST_CASE("bytes come as base64 in its one spelling") {
    using blob = std::vector<std::byte>;
    CHECK(value_of<blob>("\"\"").empty());
    CHECK(value_of<blob>("\"AP8=\"") == blob{std::byte{0}, std::byte{255}});
    for (const std::string_view bad :
         {"A", "AP8", "AP9=", "A===", "AA=A", "AP8=AP8=", "A P8", "-_8="}) {
        CHECK(problem_with<blob>("\"" + std::string(bad) + "\"") ==
              "$.value: the text is not base64 with padding");
    }
}

TEST_CASE("texts are unescaped, and checked to the last surrogate") {
    CHECK(value_of<std::string>(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
    CHECK(value_of<std::string>(R"("\u00e9\u20AC\ud83d\ude00\u0000")") ==
          std::string("é€😀\0", 10));
    CHECK(value_of<std::string>("\"" + std::string(50, 'x') + "é" + std::string(50, 'y') + "\"") ==
          std::string(50, 'x') + "é" + std::string(50, 'y'));
    const std::string surrogates =
        ": \\u needs four hexadecimal digits, and surrogates come in pairs";
    for (const std::string_view bad :
         {R"("\ud83d")", R"("\ude00")", R"("\ud83dx")", R"("\ud83d\n")", R"("\ud83d\ud83d")",
          R"("\u12G4")", R"("\u12")", R"("\ud83d\u")"}) {
        CHECK(problem_with<std::string>(bad).ends_with(surrogates));
        CHECK(problem_of<holder<std::optional<int>>>(R"({"other":)" + std::string(bad) + "}")
                  .ends_with(surrogates));
    }
    CHECK(problem_with<std::string>(R"("\x")") ==
          "$.value: not JSON at byte 11: an escape that JSON does not have");
}

TEST_CASE("what is not JSON is refused, read or passed over") {
    for (const std::string_view bad : {"01",
                                       "+1",
                                       "1.",
                                       ".5",
                                       "1e",
                                       "1e+",
                                       "-",
                                       "--1",
                                       "0x1",
                                       "NaN",
                                       "Infinity",
                                       "tru",
                                       "True",
                                       "nulll",
                                       "'a'",
                                       "\"a",
                                       "\"\n\"",
                                       "\"\x01\"",
                                       "\"\x80\"",
                                       "\"\xC0\xAF\"",
                                       "\"\xED\xA0\x80\"",
                                       "[1,]",
                                       "[,1]",
                                       "[1 2]",
                                       "[1",
                                       "]",
                                       "{\"a\":1,}",
                                       "{,}",
                                       "{\"a\"}",
                                       "{\"a\":}",
                                       "{a:1}",
                                       "{1:2}",
                                       "{\"a\":1",
                                       "}",
                                       "[}",
                                       "{]",
                                       "// x\n1",
                                       "1/**/",
                                       "\xEF\xBB\xBF"
                                       "1",
                                       "[[[1,2],[3}]]",
                                       ""}) {
        CAPTURE(bad);
        const std::string inside = R"({"unknown":)" + std::string(bad) + "}";
        CHECK(problem_of<holder<std::optional<int>>>(inside) != "");
        CHECK(problem_with<nlohmann::json>(bad) != "");
        CHECK_FALSE(nlohmann::json::accept(inside));
    }
    CHECK(problem_of<holder<std::optional<int>>>("{} {}") ==
          "$: not JSON at byte 3: text behind the value");
    CHECK(problem_of<holder<std::optional<int>>>(std::string("{}\0", 3)) ==
          "$: not JSON at byte 2: text behind the value");
    CHECK(problem_of<holder<std::optional<int>>>("{} \n") == "");
    CHECK(problem_of<holder<std::optional<int>>>("\xEF\xBB\xBF{}") ==
          "$: not JSON at byte 0: no value begins here");
}

TEST_CASE("depth is bounded in what is read, passed over and free-form") {
    const std::string arrays63 = nested(63, "[", "]"), arrays64 = nested(64, "[", "]");
    const std::string objects = nested(64, R"({"a":)", "}");
    using anything = holder<std::optional<nlohmann::json>>;
    CHECK(problem_of<anything>(R"({"x":)" + arrays63 + "}") == "");
    CHECK(problem_of<anything>(R"({"x":)" + arrays64 + "}") == "$.x: nested deeper than 64 levels");
    CHECK(problem_of<anything>(R"({"x":)" + objects + "}") == "$.x: nested deeper than 64 levels");
    CHECK(problem_of<anything>(R"({"value":)" + arrays63 + "}") == "");
    CHECK(problem_of<anything>(R"({"value":)" + arrays64 + "}") ==
          "$.value: nested deeper than 64 levels");
    CHECK(problem_of<anything>(R"({"x":)" + nested(1'000'000, "[", "]") + "}") ==
          "$.x: nested deeper than 64 levels");
    CHECK(problem_of<branch>(nested(33, R"({"twigs":[)", "]}")).ends_with("deeper than 64 levels"));
    CHECK(problem_of<branch>(nested(32, R"({"twigs":[)", "]}")) == "");
}

TEST_CASE("a text of more than 16 MiB is refused unread") {
    const std::string text(std::size_t{16} * 1024 * 1024 + 1, ' ');
    CHECK(problem_of<greeting>(text) == "$: the text has 16777217 bytes, at most 16777216");
    const std::string fits = R"({"to":"a"})" + std::string(text.size() - 11, ' ');
    CHECK(problem_of<greeting>(fits) == "");
}

TEST_CASE("users' own functions read from checked text, and what they throw is an error") {
    CHECK(value_of<money>(R"({"cents":5,"currency":"EUR"})") == money{5, "EUR"});
    CHECK(problem_with<money>(R"({"cents":5})") == "$.value: key 'currency' not found");
    CHECK(problem_with<money>(R"({"cents":"5","currency":""})")
              .starts_with("$.value: type must be number"));
    CHECK(problem_with<money>(R"({"cents":1e999,"currency":""})") ==
          "$.value: a number is out of range");
    CHECK(problem_with<money>(R"({"cents":1e300,"currency":""})") ==
          "$.value: cents is no integer");
    CHECK(problem_of<invoice>("[1") == "$: not JSON at byte 2: expected ',' or ']'");
    CHECK(problem_of<invoice>("{} x") != "");
    CHECK(problem_of<invoice>(nested(65, "[", "]")) == "$: nested deeper than 64 levels");
}

TEST_CASE("foreign names and values are shortened and cleaned in errors") {
    const std::string name = "\\u0007\\n" + std::string(500, 'n');
    const std::string problem =
        problem_of<holder<std::map<std::string, int>>>(R"({"value":{")" + name + R"(":"x"}})");
    CHECK(problem ==
          "$.value['??" + std::string(62, 'n') + "…']: expected an integer, got a string");
}
