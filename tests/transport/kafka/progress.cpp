#include <cobus/transport/kafka/progress.hpp>

#include <doctest/doctest.h>

using cobus::detail::kafka::progress;

namespace {

constexpr int nothing = -1;

} // namespace

TEST_CASE("a commit of all that was read goes to where the client is") {
    progress way;
    way.begin_at(10);
    way.read(10);
    way.read(11);
    CHECK_FALSE(way.is_all(11));
    CHECK(way.commit(11, 13) == 11);
    CHECK(way.is_all(12));
    CHECK(way.commit(12, 13) == 13);
    SUBCASE("and not back, when the client does not know where it is") {
        way.read(13);
        CHECK(way.commit(14, -1001) == 14);
    }
    SUBCASE("and goes no further than what is read next") {
        way.read(13);
        way.read(14);
        CHECK(way.commit(14, 15) == 14);
    }
}

TEST_CASE("what is no message at the end of a partition is committed once all before it is") {
    progress way;
    way.begin_at(10);
    way.read(10);
    way.read(12);
    way.ends_at(15);
    CHECK(way.beyond() == nothing);
    CHECK(way.commit(12, 15) == 12);
    CHECK(way.beyond() == nothing);
    CHECK(way.commit(13, 13) == 13);
    CHECK(way.beyond() == 15);
    SUBCASE("and not again") {
        way.went_beyond(15);
        CHECK(way.beyond() == nothing);
        way.ends_at(17);
        CHECK(way.beyond() == 17);
    }
    SUBCASE("and not if something is read meanwhile") {
        way.read(15);
        way.went_beyond(15);
        CHECK(way.beyond() == nothing);
        CHECK(way.commit(16, 16) == 16);
        CHECK(way.beyond() == nothing);
    }
    SUBCASE("and not if a commit has gone there") {
        CHECK(way.commit(13, 15) == 15);
        CHECK(way.beyond() == nothing);
    }
}

TEST_CASE("what is no message is committed where nothing was read at all") {
    progress way;
    SUBCASE("if it is known where reading began") {
        way.begin_at(10);
        way.ends_at(10);
        CHECK(way.beyond() == nothing);
        way.ends_at(11);
        CHECK(way.beyond() == 11);
    }
    SUBCASE("and else not") {
        way.begin_at(-2);
        way.ends_at(11);
        CHECK(way.beyond() == nothing);
    }
}

TEST_CASE("a partition that begins anew below what was committed is not taken for handled") {
    progress way;
    way.begin_at(100);
    way.read(100);
    CHECK(way.commit(101, 101) == 101);
    way.read(0); // the topic was made anew
    way.ends_at(102);
    CHECK(way.beyond() == nothing);
    CHECK(way.commit(1, 1) == 1);
    CHECK(way.beyond() == 102);
}
