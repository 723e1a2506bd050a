#include <cobus/middleware/circuit_breaker.hpp>

#include <doctest/doctest.h>

#include <chrono>

using cobus::breaker_policy;
using cobus::detail::circuit_breaker;
using namespace std::chrono_literals;
using breaker_state = circuit_breaker::state;
using verdict = circuit_breaker::verdict;

namespace {

const circuit_breaker::time_point breaker_start{1h};

void run_one(circuit_breaker& breaker, verdict how, circuit_breaker::time_point now) {
    REQUIRE(breaker.opens() <= now);
    breaker.ended(breaker.begun(), how, now);
}
auto opened_breaker(breaker_policy how = breaker_policy()) -> circuit_breaker {
    const unsigned failures = how.failures();
    circuit_breaker breaker(how);
    for (unsigned i = 0; i < failures; ++i) {
        run_one(breaker, verdict::bad, breaker_start);
    }
    return breaker;
}

} // namespace

TEST_CASE("so many failures in a row open it, and a success between them does not") {
    circuit_breaker breaker(breaker_policy().failures(3));
    run_one(breaker, verdict::bad, breaker_start);
    run_one(breaker, verdict::bad, breaker_start);
    run_one(breaker, verdict::good, breaker_start);
    run_one(breaker, verdict::bad, breaker_start);
    run_one(breaker, verdict::bad, breaker_start);
    CHECK(breaker.now_is() == breaker_state::closed);
    CHECK(breaker.ended(breaker.begun(), verdict::bad, breaker_start));
    CHECK(breaker.now_is() == breaker_state::open);
}

TEST_CASE("what says nothing about the handler counts as nothing") {
    circuit_breaker breaker(breaker_policy().failures(2));
    run_one(breaker, verdict::bad, breaker_start);
    run_one(breaker, verdict::neither, breaker_start);
    CHECK(breaker.now_is() == breaker_state::closed);
    run_one(breaker, verdict::bad, breaker_start);
    CHECK(breaker.now_is() == breaker_state::open);
}

TEST_CASE("too many failures among the last runs open it, in a row or not") {
    circuit_breaker breaker(breaker_policy().failures(100).failures(3, 6));
    for (const verdict each :
         {verdict::bad, verdict::good, verdict::good, verdict::bad, verdict::good, verdict::good}) {
        run_one(breaker, each, breaker_start);
    }
    run_one(breaker, verdict::bad, breaker_start); // the first one is forgotten: two of six
    CHECK(breaker.now_is() == breaker_state::closed);
    run_one(breaker, verdict::bad, breaker_start);
    CHECK(breaker.now_is() == breaker_state::open);
}

TEST_CASE("it stays open for its time, then lets a probe through, and one only") {
    auto breaker = opened_breaker(breaker_policy().open_for(2s, 10s));
    CHECK(breaker.opens() == breaker_start + 2s);
    const auto round = breaker.begun();
    CHECK(breaker.now_is() == breaker_state::half_open);
    CHECK(round != 0);
    CHECK(breaker.opens() == (circuit_breaker::time_point::max)());
    CHECK(breaker.ended(round, verdict::good, breaker_start + 3s));
    CHECK(breaker.now_is() == breaker_state::closed);
    CHECK(breaker.opens() <= breaker_start);
}

TEST_CASE("a probe that fails opens it again, for longer each time, and a success forgets that") {
    auto breaker = opened_breaker(breaker_policy().failures(1).open_for(1s, 3s));
    auto now = breaker_start;
    for (const auto wait : {1s, 2s, 3s, 3s}) {
        CHECK(breaker.opens() == now + wait);
        now += wait;
        CHECK(breaker.ended(breaker.begun(), verdict::bad, now));
        CHECK(breaker.now_is() == breaker_state::open);
    }
    now += 3s;
    run_one(breaker, verdict::good, now);
    CHECK(breaker.now_is() == breaker_state::closed);
    run_one(breaker, verdict::bad, now);
    CHECK(breaker.opens() == now + 1s);
}

TEST_CASE("a probe that says nothing makes room for another") {
    auto breaker = opened_breaker();
    const auto now = breaker.opens();
    CHECK_FALSE(breaker.ended(breaker.begun(), verdict::neither, now));
    CHECK(breaker.now_is() == breaker_state::half_open);
    run_one(breaker, verdict::good, now);
    CHECK(breaker.now_is() == breaker_state::closed);
}

TEST_CASE("several probes must all succeed, and no more than those run") {
    auto breaker = opened_breaker(breaker_policy().probes(2));
    const auto now = breaker.opens();
    const auto first = breaker.begun();
    CHECK(breaker.opens() <= now);
    const auto second = breaker.begun();
    CHECK(breaker.opens() > now);
    CHECK_FALSE(breaker.ended(first, verdict::good, now));
    CHECK(breaker.opens() > now); // one has passed, one is under way
    CHECK(breaker.ended(second, verdict::good, now));
    CHECK(breaker.now_is() == breaker_state::closed);
}

TEST_CASE("what began before it opened neither closes it nor opens it again") {
    circuit_breaker breaker(breaker_policy().failures(1));
    const auto old = breaker.begun();
    const auto older = breaker.begun();
    run_one(breaker, verdict::bad, breaker_start);
    CHECK_FALSE(breaker.ended(old, verdict::good, breaker_start));
    CHECK(breaker.now_is() == breaker_state::open);
    const auto probe = breaker.begun();
    CHECK_FALSE(breaker.ended(older, verdict::bad, breaker_start + 2s));
    CHECK(breaker.now_is() == breaker_state::half_open);
    CHECK(breaker.ended(probe, verdict::good, breaker_start + 2s));
}

TEST_CASE("a probe of an earlier round says nothing in a later one") {
    auto breaker = opened_breaker(breaker_policy().failures(1).probes(2).open_for(1s, 1s));
    const auto slow = breaker.begun();
    const auto failing = breaker.begun();
    CHECK(breaker.ended(failing, verdict::bad, breaker_start + 1s));
    const auto next = breaker.begun();
    CHECK(next != slow);
    CHECK_FALSE(breaker.ended(slow, verdict::bad, breaker_start + 2s));
    CHECK(breaker.now_is() == breaker_state::half_open);
}
