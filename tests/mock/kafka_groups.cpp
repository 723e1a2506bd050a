#include "../support/mock_scene.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace cobus;
using namespace cobus::test;
using namespace std::chrono_literals;

TEST_CASE("a consumer that crashes before its commit gets everything again") {
    scene here(2);
    here.publish(0, 10);
    {
        stream_driver in(here.bus->get(), {"orders"});
        REQUIRE(in.until([&] { return in.seen.size() == 10; }));
        in.crash();
    }
    stream_driver again(here.bus->get(), {"orders"});
    CHECK(again.until([&] { return again.seen.size() == 10; }));
    CHECK(again.close());
}

TEST_CASE("nothing is fetched that nobody asks for, and the membership stays") {
    transport_options options;
    options.properties["max.poll.interval.ms"] = "6000";
    scene here(1, options);
    here.publish(0, 3);
    stream_driver in(here.bus->get(), {"orders"});
    in.reading = false;
    CHECK_FALSE(in.until([&] { return !in.seen.empty() || in.assigned.empty() == false; }, 100ms));
    REQUIRE(in.until([&] { return !in.assigned.empty(); }));
    // Longer than the poll interval: the keep-alive polls on.
    CHECK_FALSE(in.until([&] { return !in.seen.empty() || in.signals.size() > 1; }, 8s));
    in.reading = true;
    CHECK(in.until([&] { return in.seen.size() == 3; }));
    CHECK(in.signals.size() == 1);
    CHECK(in.close());
}

TEST_CASE("a member that joins gets its share after the other one settled") {
    scene here(4);
    here.publish(0, 40);
    stream_driver first(here.bus->get(), {"orders"});
    REQUIRE(first.until([&] { return first.seen.size() == 40; }));
    REQUIRE_FALSE(first.commit(finished(first)));
    CHECK(first.assigned.size() == 4);

    transport_driver other(kafka(), quick_kafka(here.cluster.brokers()));
    REQUIRE_FALSE(other.start());
    stream_driver second(other.get(), {"orders"});
    polled open;
    first.on_rebalance = [&](const polled& what) {
        if (what.what != signal::revoked) {
            return true;
        }
        open = what;
        return false; // handlers still run
    };
    REQUIRE(first.until_with(second, [&] { return open.what == signal::revoked; }));
    CHECK(second.seen.empty());
    CHECK_FALSE(second.until([&] { return !second.assigned.empty(); }, 1s));
    first.on_rebalance = nullptr;
    first.get().settled(open.epoch);
    REQUIRE(first.until_with(
        second, [&] { return first.assigned.size() == 2 && second.assigned.size() == 2; }));
    here.publish(40, 80);
    REQUIRE(first.until_with(second, [&] { return first.seen.size() + second.seen.size() == 80; }));
    CHECK(second.close());
    CHECK(first.close());
    CHECK_FALSE(other.stop());
}

TEST_CASE("eager groups work as well") {
    transport_options options;
    options.properties["partition.assignment.strategy"] = "range,roundrobin";
    scene here(4, options);
    here.publish(0, 40);
    stream_driver first(here.bus->get(), {"orders"});
    REQUIRE(first.until([&] { return first.seen.size() == 40; }));
    REQUIRE_FALSE(first.commit(finished(first)));
    stream_driver second(here.bus->get(), {"orders"});
    REQUIRE(first.until_with(
        second, [&] { return first.assigned.size() == 2 && second.assigned.size() == 2; }));
    CHECK(std::ranges::count(first.signals, signal::revoked) >= 1);
    here.publish(40, 80);
    REQUIRE(first.until_with(second, [&] { return first.seen.size() + second.seen.size() == 80; }));
    CHECK(second.close());
    CHECK(first.close());
}

TEST_CASE("a close leaves the group at once") {
    scene here(2);
    here.publish(0, 10);
    stream_driver first(here.bus->get(), {"orders"});
    REQUIRE(first.until([&] { return first.seen.size() == 10; }));
    stream_driver second(here.bus->get(), {"orders"});
    REQUIRE(first.until_with(second, [&] { return second.assigned.size() == 1; }));
    const auto before = std::chrono::steady_clock::now();
    REQUIRE(first.close());
    CHECK(std::chrono::steady_clock::now() - before < 2s);
    CHECK(first.signals.back() == signal::revoked);
    CHECK(first.assigned.empty());
    CHECK(second.until([&] { return second.assigned.size() == 2; }, 20s));
    CHECK(second.close());
}

TEST_CASE("a close ends in time although the cluster is away") {
    scene here(2);
    here.publish(0, 10);
    stream_driver in(here.bus->get(), {"orders"});
    REQUIRE(in.until([&] { return in.seen.size() == 10; }));
    here.cluster.down();
    const auto before = std::chrono::steady_clock::now();
    CHECK(in.close());
    CHECK(std::chrono::steady_clock::now() - before < 8s);
    here.cluster.up();
}

TEST_CASE("messages stay readable until they are given back, also after a stream was abandoned") {
    scene here(1);
    here.publish(0, 20);
    stream_driver in(here.bus->get(), {"orders"});
    std::vector<delivery> kept;
    in.on_message = [&](delivery& each) {
        kept.push_back(each);
        return false;
    };
    REQUIRE(in.until([&] { return kept.size() == 20; }));
    SUBCASE("and given back") {
        in.get().abandon();
        for (std::size_t i = 0; i < kept.size(); ++i) {
            CHECK(kept[i].content->payload() == std::to_string(i));
        }
        in.get().give_back(kept);
        in.crash();
    }
    SUBCASE("and not even given back") { in.crash(); }
    CHECK(detail::helper::drained(detail::helps::end, 20s)); // nothing of librdkafka hangs
}

TEST_CASE("a stream destroyed in the middle of a rebalance does not hang") {
    scene here(2);
    here.publish(0, 4);
    stream_driver in(here.bus->get(), {"orders"});
    bool told = false;
    in.on_rebalance = [&](const polled&) {
        told = true;
        return false;
    };
    REQUIRE(in.until([&] { return told; }));
    in.crash();
    CHECK(detail::helper::drained(detail::helps::end, 20s));
}

// librdkafka has left its group when it has one answer to a rebalance after its close began, and
// whoever asks it something just then waits for ever.
TEST_CASE("a member that closes while it is being assigned something leaves, and does not hang") {
    struct member {
        member(scene& here, int number)
            : in(here.bus->get(), {"orders"}, "group " + std::to_string(number)) {
            in.on_rebalance = [this](const polled& what) {
                const bool first = std::exchange(open, what.epoch) == 0;
                return !first;
            };
        }
        stream_driver in;
        std::uint32_t open = 0;
        awaited_operation left;
    };
    scene here(4);
    std::deque<member> all;
    for (int i = 0; i < 30; ++i) {
        all.emplace_back(here, i);
    }
    for (member& each : all) {
        REQUIRE(each.in.until([&] { return each.open != 0; }));
        each.in.get().close(each.left);
        (void)each.in.until([] { return false; }, 10ms); // it may be asked for all back by then
        each.in.get().settled(each.open);
        CHECK(each.in.until([&] { return each.in.closed && each.left.ended.count() == 1; }, 5s));
        CHECK_FALSE(each.left.ec);
    }
    CHECK(detail::helper::drained(detail::helps::end, 20s));
}

// Before 2.3.0, librdkafka aborts the process when such a member is destroyed (its issue 4312).
TEST_CASE("a member that goes between joining and its first assignment takes nobody along") {
    mock_cluster cluster;
    cluster.create_topic("orders", 2);
    transport_options options = quick_kafka(cluster.brokers());
    event_count joined;
    options.properties["debug"] = "cgrp";
    options.log = [&joined](log_level, std::string_view text) {
        if (text.find("-> wait-sync") != text.npos) {
            joined.happened();
        }
    };
    cluster.push_answer(1, kafka_request::sync_group, RD_KAFKA_RESP_ERR_NO_ERROR, 3s);
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    stream_driver in(bus.get(), {"orders"});
    REQUIRE(joined.reaches(1));
    SUBCASE("by a crash") { in.crash(); }
    SUBCASE("by a close") {
        CHECK(in.close());
        in.crash();
    }
    CHECK_FALSE(bus.stop());
    CHECK(detail::helper::drained(detail::helps::end, 20s));
}

TEST_CASE("groups do not share") {
    scene here(2);
    here.publish(0, 10);
    stream_driver one(here.bus->get(), {"orders"}, "one");
    stream_driver two(here.bus->get(), {"orders"}, "two");
    CHECK(one.until_with(two, [&] { return one.seen.size() == 10 && two.seen.size() == 10; }));
    CHECK(one.close());
    CHECK(two.close());
}
