#include <activity/array_splitter.hpp>
#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct outcome {
    std::vector<std::string> elements;
    std::string problem;
};

/// Cuts the text, fed in pieces of that size.
auto split(std::string_view text, std::size_t piece, std::size_t longest = 1000) -> outcome {
    activity::array_splitter splitter(longest);
    outcome result;
    for (std::size_t at = 0; at < text.size(); at += piece) {
        splitter.feed(text.substr(at, piece));
        while (const auto element = splitter.next()) {
            result.elements.emplace_back(*element);
        }
    }
    static_cast<void>(splitter.finish());
    result.problem = splitter.problem();
    return result;
}

} // namespace

TEST_CASE("elements are the same however the text arrives") {
    constexpr std::string_view text =
        " [ {\"a\":[1,{\"b\":\"]},\\\"[{\"}]} ,\n{},[], \"x,]\\\\\",12,-3 , null]\r\n";
    const std::vector<std::string> expected{
        R"({"a":[1,{"b":"]},\"[{"}]})", "{}", "[]", R"("x,]\\")", "12", "-3", "null"};
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
        const outcome result = split(text, piece);
        CHECK(result.problem == "");
        CHECK(result.elements == expected);
    }
}

TEST_CASE("an empty array has no elements") {
    CHECK(split("[]", 1).problem == "");
    CHECK(split(" [ ] ", 2).elements.empty());
}

TEST_CASE("what is no array is an error that says where") {
    CHECK(split("", 1).problem == "byte 0, behind 0 events: there is no array");
    CHECK(split("{}", 1).problem == "byte 0, behind 0 events: expected '['");
    CHECK(split("[1", 1).problem == "byte 2, behind 0 events: the array is cut off");
    CHECK(split("[1,", 9).problem == "byte 3, behind 1 events: the array is cut off");
    CHECK(split("[{}", 9).problem == "byte 3, behind 0 events: the array is cut off");
    CHECK(split("[{\"a\":\"]}", 9).problem == "byte 9, behind 0 events: the array is cut off");
    CHECK(split("[1,]", 9).problem == "byte 3, behind 1 events: expected an event");
    CHECK(split("[,1]", 9).problem == "byte 1, behind 0 events: expected an event");
    CHECK(split("[{}{}]", 9).problem == "byte 3, behind 1 events: expected ',' or ']'");
    CHECK(split("[] []", 9).problem == "byte 3, behind 0 events: there is text behind the array");
}

TEST_CASE("what came before an error was handed out") {
    CHECK(split("[{},{} x]", 3).elements.size() == 2);
}

TEST_CASE("an element that is too long is shortened, and the next one is whole") {
    const outcome result = split("[\"" + std::string(100, 'x') + "\",7]", 16, 10);
    CHECK(result.problem == "");
    CHECK(result.elements == std::vector<std::string>{"\"xxxxxxxxx", "7"});
}

TEST_CASE("an element with wrong brackets is for the codec to refuse") {
    const outcome result = split("[{],3]", 16);
    CHECK(result.problem == "");
    CHECK(result.elements == std::vector<std::string>{"{]", "3"});
}
