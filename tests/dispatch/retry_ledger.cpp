#include <cobus/dispatch/retry_ledger.hpp>

#include <doctest/doctest.h>

using cobus::detail::retry_ledger;

namespace retry_ledger_tests {

const int some_handler = 0;
const retry_ledger::lane a{&some_handler, 1};
const retry_ledger::lane b{&some_handler, 2};

TEST_CASE("the lowest offset of a lane is its head, and others follow to where it is") {
    retry_ledger all;
    CHECK_FALSE(all.contains(a));
    all.put(a, 7, {0, 1});
    all.put(a, 9, {0, 2});
    all.put(b, 8, {1, 3});
    CHECK(all.size() == 3);
    CHECK(all.is_head(a, 7));
    CHECK_FALSE(all.is_head(a, 9));
    CHECK(all.is_head(b, 8));
    CHECK(all.tier_of_head(a) == 0);
    all.put(a, 7, {1, 4}); // it failed again
    CHECK(all.size() == 3);
    CHECK(all.is_head(a, 7));
    CHECK(all.tier_of_head(a) == 1);
    all.drop(a, 7);
    CHECK(all.is_head(a, 9));
    all.drop(a, 9);
    CHECK_FALSE(all.contains(a));
    CHECK(all.contains(b, 8));
    CHECK(all.size() == 1);
    all.drop(a, 9);
    CHECK(all.size() == 1);
}

TEST_CASE("only the latest copy of an offset counts") {
    retry_ledger all;
    all.put(a, 7, {0, 1});
    all.put(a, 7, {0, 2});
    CHECK_FALSE(all.is_latest(a, 7, 1));
    CHECK(all.is_latest(a, 7, 2));
    CHECK_FALSE(all.is_latest(b, 7, 2));
    CHECK_FALSE(all.is_latest(a, 8, 2));
}

TEST_CASE("after a restart the last copy in the latest tier counts, however the tiers are read") {
    retry_ledger all;
    all.restore(a, 7, {1, 1});
    all.restore(a, 7, {0, 2}); // read later, written before
    CHECK(all.is_latest(a, 7, 1));
    all.restore(a, 7, {1, 3});
    CHECK(all.is_latest(a, 7, 3));
    CHECK(all.size() == 1);
}

TEST_CASE("a handler that goes takes its lanes with it") {
    const int other_handler = 0;
    const retry_ledger::lane others{&other_handler, 1};
    retry_ledger all;
    all.put(a, 7, {0, 1});
    all.put(a, 8, {0, 2});
    all.put(others, 7, {0, 3});
    all.forget(&some_handler);
    CHECK(all.size() == 1);
    CHECK_FALSE(all.contains(a));
    CHECK(all.contains(others));
}

} // namespace retry_ledger_tests
