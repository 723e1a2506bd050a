#include "json_samples.hpp"

#include <cobus/json.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <string>

namespace {

using namespace samples;
using std::chrono::milliseconds;

template <class T>
auto value_text(T value) -> std::string {
    holder<T> event;
    event.value = std::move(value);
    return written(event);
}

template <class Duration>
auto at(std::int64_t count) -> std::chrono::sys_time<Duration> {
    return std::chrono::sys_time<Duration>(Duration(count));
}

} // namespace

TEST_CASE("every kind of member is written in its own form") {
    everything event;
    event.flag = true;
    event.i8 = -128;
    event.u64 = std::numeric_limits<std::uint64_t>::max();
    event.i64 = std::numeric_limits<std::int64_t>::min();
    event.f = 0.1F;
    event.d = 1e300;
    event.text = "Grüße";
    event.choice = vote::down;
    event.maybe = 7;
    event.numbers = {1, 2, 3};
    event.bits = {true, false};
    event.places = {{"home", {"Ulm", 48.4}}, {"work", {"Bonn", std::nullopt}}};
    event.counts = {{"a", 1}};
    event.home.city = "Rom";
    event.price = {250, "EUR"};
    event.at = at<milliseconds>(1'763'718'478'123);
    event.blob = {std::byte{0}, std::byte{255}};
    event.free = {{"k", {1, 2.5, nullptr}}};
    CHECK(written(event) ==
          R"({"flag":true,"i8":-128,"u8":0,"i16":0,"u16":0,"i32":0,"u32":0,)"
          R"("i64":-9223372036854775808,"u64":18446744073709551615,"f":0.1,"d":1e+300,)"
          R"("text":"Grüße","choice":"downvote","maybe":7,"numbers":[1,2,3],"bits":[true,false],)"
          R"("triple":[0,0,0],"places":{"home":{"city":"Ulm","latitude":48.4},)"
          R"("work":{"city":"Bonn"}},"counts":{"a":1},"home":{"city":"Rom"},)"
          R"("price":{"cents":250,"currency":"EUR"},"at":"2025-11-21T09:47:58.123Z",)"
          R"("blob":"AP8=","free":{"k":[1,2.5,null]}})");
}

TEST_CASE("an optional is written only when it is set") {
    greeting hello;
    hello.to = "Ada";
    CHECK(written(hello) == R"({"to":"Ada","tone":"warm"})");
    hello.from = "";
    CHECK(written(hello) == R"({"to":"Ada","tone":"warm","from":""})");
    CHECK(value_text(std::optional<int>()) == "{}");
}

TEST_CASE("an empty place in a list is null") {
    std::vector<std::optional<int>> list;
    list.emplace_back(1);
    list.emplace_back();
    CHECK(value_text(list) == R"({"value":[1,null]})");
}

TEST_CASE("empty containers have no comma") {
    CHECK(value_text(std::vector<int>()) == R"({"value":[]})");
    CHECK(value_text(std::map<std::string, int>()) == R"({"value":{}})");
}

TEST_CASE("what JSON cannot hold as it is gets escaped, wherever it stands") {
    for (std::size_t before = 0; before < 20; ++before) {
        const std::string plain(before, 'x');
        CHECK(value_text(plain + "\"\\\b\f\n\r\t" + plain) ==
              R"({"value":")" + plain + R"(\"\\\b\f\n\r\t)" + plain + R"("})");
        CHECK(value_text(plain + '\x01' + '\x1f' + '\x7f' + plain) ==
              R"({"value":")" + plain + R"(\u0001\u001f)" + '\x7f' + plain + R"("})");
        CHECK(value_text(plain + "é€😀" + plain) ==
              R"({"value":")" + plain + "é€😀" + plain + R"("})");
    }
    CHECK(value_text(std::string("a\0b", 3)) == R"({"value":"a\u0000b"})");
}

TEST_CASE("long texts outgrow the buffer") {
    const std::string plain(100'000, 'x');
    CHECK(value_text(plain) == R"({"value":")" + plain + R"("})");
    const std::string hostile(10'000, '\x02');
    const std::string text = value_text(hostile);
    CHECK(text.size() == 60'000 + 12);
    CHECK(nlohmann::json::parse(text)["value"] == hostile);
}

TEST_CASE("a text that is not UTF-8 is refused with its path, and nothing is appended") {
    everything event;
    event.places["x"].city = "\xC3\x28";
    CHECK(written(event) == "!$.places.x.city: the text is not UTF-8");
    event.places.clear();
    event.places["a\xFF b"] = {};
    CHECK(written(event) == "!$.places['a? b']: the text is not UTF-8");
    for (const std::string bad : {"\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80",
                                  "\xF4\x90\x80\x80", "\xF0\x9F\x98", "\xFF", "ok\xE2\x82"}) {
        CHECK(value_text(bad) == "!$.value: the text is not UTF-8");
    }
}

TEST_CASE("numbers that JSON does not have are refused") {
    CHECK(value_text(std::nan("")) == "!$.value: NaN and infinity have no form in JSON");
    CHECK(value_text(-std::numeric_limits<float>::infinity()) ==
          "!$.value: NaN and infinity have no form in JSON");
    CHECK(value_text(std::vector<double>{1, INFINITY}) ==
          "!$.value[1]: NaN and infinity have no form in JSON");
    CHECK(value_text(nlohmann::json{{"x", {1, INFINITY}}}) ==
          "!$.value.x[1]: NaN and infinity have no form in JSON");
}

TEST_CASE("an enumerator without a name is refused") {
    CHECK(value_text(static_cast<vote>(9)) == "!$.value: the enum has no name for the value 9");
}

TEST_CASE("times are written in UTC with milliseconds, finer parts cut off towards the past") {
    using namespace std::chrono;
    CHECK(value_text(at<seconds>(0)) == R"({"value":"1970-01-01T00:00:00.000Z"})");
    CHECK(value_text(at<nanoseconds>(-1)) == R"({"value":"1969-12-31T23:59:59.999Z"})");
    CHECK(value_text(at<microseconds>(1'999)) == R"({"value":"1970-01-01T00:00:00.001Z"})");
    CHECK(value_text(sys_days(year(2024) / 2 / 29)) == R"({"value":"2024-02-29T00:00:00.000Z"})");
    CHECK(value_text(sys_seconds(sys_days(year(9999) / 12 / 31) + hours(24))) ==
          "!$.value: the time is outside the years 0000 to 9999");
}

TEST_CASE("depth is bounded in what comes from data") {
    branch root;
    branch* tip = &root;
    for (int level = 2; level < 64; level += 2) { // an object and an array each
        tip = &tip->twigs.emplace_back();
    }
    CHECK(written(root).starts_with(R"({"twigs":[{"twigs":)"));
    tip->twigs.emplace_back();
    CHECK(written(root).ends_with(": nested deeper than 64 levels"));
    nlohmann::json deep;
    for (int level = 0; level < 64; ++level) {
        deep = nlohmann::json::array({deep});
    }
    CHECK(value_text(deep).ends_with(": nested deeper than 64 levels"));
}

TEST_CASE("free-form values that are no JSON are refused") {
    CHECK(value_text(nlohmann::json::binary({1, 2})) ==
          "!$.value: bytes and discarded values have no form in JSON");
    CHECK(value_text(nlohmann::json("\xFF")) == "!$.value: the text is not UTF-8");
    CHECK(value_text(nlohmann::json{{"\xFF", 1}}) == "!$.value['?']: the text is not UTF-8");
}

namespace {
struct refusing {};
[[maybe_unused]] void to_json(nlohmann::json& /*json*/, const refusing& /*from*/) {
    throw std::runtime_error("not today");
}
/// Writes another event while it is written.
struct empty_middle {};
void to_json(nlohmann::json& json, const empty_middle& /*from*/) {
    greeting inner;
    inner.to = std::string(5000, 'i');
    json = written(inner).size();
}
struct two_nested {
    std::string before = std::string(5000, 'b');
    empty_middle middle;
    std::string after = "after";
};
} // namespace
template <>
struct cobus::contract<two_nested> {
    static constexpr auto fields =
        cobus::fields(field("before", &two_nested::before), field("middle", &two_nested::middle),
                      field("after", &two_nested::after));
};

TEST_CASE("what a user's to_json throws becomes an error") {
    CHECK(value_text(refusing()) == "!$.value: not today");
    CHECK(written(refusing()) == "!$: not today");
}

TEST_CASE("a codec may be called inside a codec") {
    CHECK(written(two_nested()) ==
          R"({"before":")" + std::string(5000, 'b') + R"(","middle":5023,"after":"after"})");
}

TEST_CASE("encoding appends") {
    std::string out = "before ";
    CHECK(cobus::json_codec::encode(holder<int>{5}, out).ok());
    CHECK(out == R"(before {"value":5})");
}
