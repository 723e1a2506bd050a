#include "limits.hpp"

#include "kafka_server.hpp"
#include "plain_client.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

// How long things take at most, whatever Kafka does. A frozen broker is silent as one behind a
// network that drops all packets is: connections stay, and nothing comes. packets_dropped.cpp has
// such a network.

namespace limits_test {

using cobus::state;
using cobus::test::kafka_server;
using cobus::test::limits_fleet;
using cobus::test::limits_outage;

/// The shared Kafka as it should be, whatever a case before left of it.
auto kafka() -> kafka_server& {
    kafka_server& server = kafka_server::shared();
    server.restart();
    server.thaw();
    return server;
}

const limits_outage silent{[] { kafka_server::shared().freeze(); },
                           [] { kafka_server::shared().thaw(); }};
const limits_outage refused{[] { kafka_server::shared().kill(); },
                            [] { kafka_server::shared().restart(); }};

/// Kafka is required, and was not there at the start.
const cobus::test::limits_ending failed{
    "failed", [](limits_fleet& fleet, const limits_outage& outage) {
        outage.begin();
        fleet.start(true);
        fleet.until([](const auto& each) { return each.started; });
    }};

} // namespace limits_test

TEST_CASE("from every state, a stop ends within its limit and half a second, a bus is gone within "
          "a second, and all is answered") {
    const std::string brokers = limits_test::kafka().brokers();
    for (const auto& each : cobus::test::limits_endings()) {
        cobus::test::limits_end_in(each, brokers, limits_test::silent);
    }
    cobus::test::limits_end_in(cobus::test::limits_endings().back(), brokers, limits_test::refused);
    cobus::test::limits_end_in(limits_test::failed, brokers, limits_test::refused);
}

TEST_CASE("they are so, too, while Kafka gets what was kept for it") {
    cobus::test::limits_end_recovering(limits_test::kafka().brokers(), limits_test::silent);
}

TEST_CASE("when Kafka falls silent and comes back, a publish is answered within four seconds") {
    cobus::test::limits_answer(limits_test::kafka().brokers(), limits_test::silent);
}

TEST_CASE("when one broker of three freezes, what is kept is answered within four seconds on all "
          "partitions") {
    // The other two acknowledge nothing until they notice that it keeps no replica up to date.
    cobus::test::kafka_options cluster;
    cluster.brokers = 3;
    cluster.properties = {"broker.session.timeout.ms=9000"};
    cobus::test::kafka_server server(cluster);
    cobus::test::plain_create_topic(server.brokers(), "limits", 6, 3);
    cobus::test::limits_fleet fleet(server.brokers(), {&cobus::test::limits_spool});
    cobus::test::limits_bus& one = *fleet.all.front();
    fleet.start();
    fleet.until_state(cobus::state::connected);
    const auto publish_to_all = [&one] {
        for (int i = 0; i < 24; ++i) {
            one.publish("place " + std::to_string(i));
        }
    };
    publish_to_all();
    // From now on brokers have fetches to answer, so that not all of Kafka is silent.
    fleet.until([](const auto& each) { return each.all_answered() && each.handled == each.asked; });
    one.longest = {};
    server.freeze(3);
    for (int i = 0; i < 40; ++i) {
        publish_to_all();
        fleet.go_on(std::chrono::milliseconds(100));
    }
    fleet.until([](const auto& each) { return each.all_answered(); });
    MESSAGE("answered within "
            << std::chrono::duration_cast<std::chrono::milliseconds>(one.longest).count() << " ms");
    CHECK(one.longest < std::chrono::seconds(4));
    CHECK(one.failed == 0);
    server.thaw(3);
    fleet.until_state(cobus::state::connected);
    CHECK(one.bus->health().kept.messages == 0);
    one.stop();
    fleet.until([](const auto& each) { return each.stopped.has_value(); });
    cobus::test::limits_check_stop(one);
}
