#include "events.hpp"

#include <cobus/testing/which.hpp>

#include <doctest/doctest.h>

#include <string_view>
#include <utility>
#include <vector>

using cobus::testing::which;

namespace {

auto a_message(std::string_view topic, std::string_view type, std::string_view key)
    -> cobus::message {
    cobus::message made(topic, type, "");
    made.key(key);
    return made;
}

/// Which of ten equal messages it strikes, counted from 1.
auto struck(which these) -> std::vector<int> {
    const cobus::message any = a_message("clock", "tick", "a");
    std::vector<int> hit;
    for (int i = 1; i <= 10; ++i) {
        if (these.strikes(any, [i] { return i % 2 == 0 ? 0.1 : 0.9; })) {
            hit.push_back(i);
        }
    }
    return hit;
}

} // namespace

TEST_CASE("a choice counts from one") {
    using namespace cobus::testing;
    CHECK(struck(nth(3)) == std::vector<int>{3});
    CHECK(struck(nth(0)) == std::vector<int>{1});
    CHECK(struck(first(2)) == std::vector<int>{1, 2});
    CHECK(struck(every(4)) == std::vector<int>{4, 8});
    CHECK(struck(always()).size() == 10);
    CHECK(struck(chance(0.5)) == std::vector<int>{2, 4, 6, 8, 10});
}

TEST_CASE("a choice counts only what it is about") {
    using namespace cobus::testing;
    const auto random = [] { return 0.0; };
    which second = nth(2).topic("clock").key("a").of<cobus::test::tick>();
    CHECK_FALSE(second.strikes(a_message("clock", "tick", "a"), random));
    CHECK_FALSE(second.strikes(a_message("other", "tick", "a"), random));
    CHECK_FALSE(second.strikes(a_message("clock", "tock", "a"), random));
    CHECK_FALSE(second.strikes(a_message("clock", "tick", "b"), random));
    CHECK_FALSE(second.strikes(cobus::message("clock", "tick", ""), random)); // no key
    CHECK(second.strikes(a_message("clock", "tick", "a"), random));
}
