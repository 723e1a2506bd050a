#include <cobus/degrade/held_keys.hpp>
#include <cobus/degrade/route_marks.hpp>

#include <doctest/doctest.h>

#include <string>

namespace route_mark_tests {

using cobus::degrade::held_keys;
using cobus::degrade::lane_of;
using cobus::degrade::route_marks;

TEST_CASE("a topic that was never published to has nothing to wait for") {
    route_marks marks;
    CHECK(marks.caught_up());
    marks.handled(3, 100);
    CHECK(marks.caught_up());
}

TEST_CASE("caught up means that all of ours came back and was handled, on every partition") {
    route_marks marks;
    marks.acknowledged(1, 7);
    CHECK_FALSE(marks.caught_up());
    CHECK(marks.caught_up(0));
    marks.handled(1, 7); // 7 itself is not
    CHECK_FALSE(marks.caught_up());
    marks.handled(1, 8);
    CHECK(marks.caught_up());
    marks.acknowledged(1, 5); // an older one's answer came late
    CHECK(marks.caught_up());
    marks.acknowledged(4, 0);
    CHECK_FALSE(marks.caught_up());
    CHECK(marks.caught_up(1));
    marks.handled(4, 1);
    CHECK(marks.caught_up());
    marks.lost(1); // another member handles it, who knows when
    CHECK_FALSE(marks.caught_up());
}

TEST_CASE("what was acknowledged somewhere unknown is never caught up with") {
    route_marks marks;
    marks.unknown();
    marks.handled(0, 1000);
    CHECK_FALSE(marks.caught_up());
    CHECK_FALSE(marks.caught_up(0));
}

TEST_CASE("events of a key, or of a partition that was asked for, stand in one order") {
    const std::string a = "a";
    const std::string b = "b";
    CHECK(lane_of(&a, std::nullopt, -1) == 0);
    CHECK(lane_of(&a, "k", -1) == lane_of(&a, "k", 5));
    CHECK(lane_of(&a, "k", -1) != lane_of(&b, "k", -1));
    CHECK(lane_of(&a, "k", -1) != lane_of(&a, "l", -1));
    CHECK(lane_of(&a, "", -1) != 0);
    CHECK(lane_of(&a, std::nullopt, 0) != 0);
    CHECK(lane_of(&a, std::nullopt, 0) != lane_of(&a, std::nullopt, 1));
}

TEST_CASE("a key is forgotten with the last of its rows") {
    held_keys keys;
    keys.add(7);
    keys.add(7);
    keys.at(7).unclean = true;
    ++keys.at(7).waiting;
    CHECK_FALSE(keys.may_pass(7));
    CHECK_FALSE(keys.clean(7));
    CHECK(keys.may_pass(8));
    CHECK(keys.clean(8));
    --keys.at(7).waiting;
    CHECK(keys.may_pass(7));
    keys.remove(7);
    CHECK_FALSE(keys.clean(7));
    keys.remove(7);
    CHECK(keys.clean(7));
    CHECK(keys.size() == 0);
    keys.add(0); // no order, so nothing to hold
    keys.at(0).unclean = true;
    CHECK(keys.clean(0));
    CHECK(keys.size() == 0);
    keys.remove(0);
}

} // namespace route_mark_tests
