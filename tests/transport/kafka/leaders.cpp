#include <cobus/detail/intern.hpp>
#include <cobus/transport/kafka/leaders.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace leader_tests {

using cobus::route_trouble;
using cobus::detail::kafka::broker_clocks;
using cobus::detail::kafka::leaders;
using cobus::detail::kafka::route_judge;
using steady = std::chrono::steady_clock;

/// A topic whose partitions 0, 1, 2 are led by brokers 1, 2, 3, all of which answered just now.
struct court {
    court() {
        for (std::int32_t broker = 1; broker <= 3; ++broker) {
            clocks.heard(broker, now);
        }
    }
    auto judge(std::int32_t partition, std::chrono::milliseconds waits,
               std::chrono::milliseconds stuck = 0ms) -> std::vector<route_trouble> {
        std::vector<route_trouble> away;
        route_judge(clocks, 3s).judge({{topic, partition}, waits, stuck}, known, now, away);
        return away;
    }
    void pass(std::chrono::milliseconds time) { now += time; }

    const std::string* topic = cobus::detail::intern("t");
    steady::time_point now{1h};
    broker_clocks clocks;
    std::vector<leaders::partition> known{{1, 3, {1, 2, 3}}, {2, 3, {1, 2, 3}}, {3, 3, {1, 2, 3}}};
};

TEST_CASE("a route is away when its leader said nothing for the decision time") {
    court of;
    of.pass(3s);
    of.clocks.heard(1, of.now);
    CHECK(of.judge(1, 2999ms).empty()); // nobody waits that long
    CHECK(of.judge(0, 3s).empty());     // its broker is there: slow is not silent
    const auto away = of.judge(1, 3s);
    REQUIRE(away.size() == 1);
    CHECK(away[0].where.partition == 1);
    CHECK(away[0].cause.value() == RD_KAFKA_RESP_ERR__TIMED_OUT);
    CHECK(away[0].detail == "nothing came from broker 2 within 3000 ms");
    of.clocks.heard(2, of.now);
    CHECK(of.judge(1, 9s).empty());
}

TEST_CASE("a route is away when it has no leader, or lacks replicas and nothing goes on") {
    court of;
    of.known[0].leader = -1;
    of.known[1].in_sync = {2};
    CHECK(of.judge(0, 2s).empty());
    REQUIRE(of.judge(0, 3s).size() == 1);
    CHECK(of.judge(0, 3s)[0].detail == "it has no leader");
    CHECK(of.judge(1, 3s, 999ms).empty()); // it goes on
    REQUIRE(of.judge(1, 3s, 1s).size() == 1);
    CHECK(of.judge(1, 3s, 1s)[0].detail ==
          "1 of 3 replicas are in sync, and nothing is acknowledged");
    CHECK(of.judge(2, 30s, 30s).empty());
    CHECK(of.judge(7, 30s, 30s).empty()); // not known
}

TEST_CASE("a route is away when a replica's broker fell silent and nothing is acknowledged") {
    court of;
    for (auto& each : of.known) {
        each.in_sync = {1, 2, 3};
    }
    of.clocks.sent(3, of.now);
    of.pass(3s);
    of.clocks.heard(1, of.now);
    of.clocks.heard(2, of.now);
    CHECK(of.judge(0, 3s, 999ms).empty()); // it goes on
    CHECK(of.judge(0, 2999ms, 2s).empty());
    REQUIRE(of.judge(0, 3s, 1s).size() == 1);
    CHECK(of.judge(0, 3s, 1s)[0].cause.value() == RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    CHECK(of.judge(0, 3s, 1s)[0].detail ==
          "nothing came from broker 3, which has a replica, and nothing is acknowledged");
    of.known[0].in_sync = {1, 2}; // the cluster noticed
    REQUIRE(of.judge(0, 3s, 1s).size() == 1);
    CHECK(of.judge(0, 3s, 1s)[0].detail ==
          "2 of 3 replicas are in sync, and nothing is acknowledged");
    CHECK(of.judge(0, 3s, 999ms).empty()); // it goes on
    of.clocks.settled(3);
    CHECK(of.judge(1, 3s, 1s).empty()); // nobody asks it anything
    of.clocks.lost(3);
    CHECK(of.judge(1, 3s, 1s).size() == 1);
}

TEST_CASE("what went to no certain partition is with a broker that owes an answer") {
    court of;
    of.clocks.sent(2, of.now);
    of.pass(5s);
    REQUIRE(of.judge(-1, 3s).size() == 1); // 1 and 3 are quiet, because nobody asks them
    CHECK(of.judge(-1, 3s)[0].where.partition == 1);
    of.clocks.settled(2);
    CHECK(of.judge(-1, 3s).empty());
    of.clocks.lost(3);
    REQUIRE(of.judge(-1, 3s).size() == 1);
    CHECK(of.judge(-1, 3s)[0].where.partition == 2);
    of.clocks.heard(3, of.now);
    CHECK(of.judge(-1, 3s).empty());
}

TEST_CASE("a broker owes an answer from the first request that it has not answered") {
    broker_clocks clocks;
    steady::time_point now{1h};
    clocks.heard(7, now);
    clocks.sent(7, now + 1s);
    clocks.sent(7, now + 2s);
    CHECK_FALSE(clocks.silent(7, 3s, now + 3900ms));
    CHECK(clocks.silent(7, 3s, now + 4s));
    clocks.settled(7);
    CHECK(clocks.silent(7, 3s, now + 4s)); // of the second
    clocks.settled(7);
    clocks.settled(7); // one too often
    CHECK_FALSE(clocks.silent(7, 3s, now + 9s));
    clocks.sent(7, now + 9s);
    CHECK(clocks.silent(7, 3s, now + 12s));
    CHECK_FALSE(clocks.silent(8, 3s, now + 12s)); // never heard of
    CHECK(clocks.quiet(8, 3s, now + 12s));
    for (std::int32_t broker = 100; broker < 300; ++broker) { // more than there is room for
        clocks.heard(broker, now);
    }
    CHECK(clocks.silent(7, 3s, now + 12s));
}

} // namespace leader_tests
