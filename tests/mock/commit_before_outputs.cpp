#include "../support/kafka_options.hpp"
#include "../support/mock_cluster.hpp"
#include "../support/mock_scene.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/kafka.hpp>
#include <cobus/transport/failover.hpp>
#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>

// A handler's event comes from a broker that answers, and what the handler publishes goes to one
// that does not: it is kept in this process's memory. Whoever commits the event then has lost what
// was published when the process crashes.

namespace commit_before_outputs {

using namespace std::chrono_literals;
using namespace cobus::test;
using cobus::policy;
using cobus::taken;

constexpr int with_inputs = 1;
constexpr int with_outputs = 2;

auto options(const mock_cluster& cluster) -> cobus::transport_options {
    cobus::transport_options made = quick_kafka(cluster.brokers());
    made.decision_time = 1s;
    return made;
}

void publish(transport_driver& bus, const std::string& text) {
    test_publish node("orders", "k", text);
    node.when_away = policy::wait;
    REQUIRE_FALSE(bus.publish(node));
}

auto has(const stream_driver& in, const std::string& text) -> bool {
    return std::ranges::count(in.seen, text, &seen_message::payload) > 0;
}

/// Handles "input", publishes "output", commits, and crashes. `reader` is where it reads and
/// commits.
void live(mock_cluster& cluster, transport_driver& bus, transport_driver& reader,
          answered_publish& output) {
    stream_driver in(reader.get(), {"orders"}, "g");
    REQUIRE(in.until([&] { return has(in, "input"); }));
    cluster.down(with_outputs);
    output.when_away = policy::spool;
    REQUIRE(bus.get().publish(output, true) == taken::pending);
    REQUIRE(output.ended.reaches(1));
    REQUIRE_FALSE(output.heard.ec);
    REQUIRE(output.heard.where.spooled());
    CHECK_FALSE(output.heard.where.durable());
    CHECK_FALSE(in.commit(finished(in)));
    in.crash();
}

/// Whether the next process gets the input again, whose output is gone with the last one.
auto input_comes_again(bool with_barrier) -> bool {
    mock_cluster cluster(2);
    cluster.create_topic("orders", 1);
    cluster.create_topic("outputs", 1);
    cluster.set_leader("orders", 0, with_inputs);
    cluster.set_leader("outputs", 0, with_outputs);
    cluster.set_group_coordinator("g", with_inputs);
    transport_driver plain(cobus::kafka(), options(cluster));
    REQUIRE_FALSE(plain.start());
    publish(plain, "input");
    answered_publish output("outputs", "k", "output");
    {
        transport_driver bus(cobus::with_fallback(cobus::kafka(), cobus::memory(), false),
                             options(cluster));
        REQUIRE_FALSE(bus.start());
        // The simpler design commits what is handled, whatever is kept.
        live(cluster, bus, with_barrier ? bus : plain, output);
    }
    publish(plain, "marker");
    stream_driver next(plain.get(), {"orders"}, "g");
    REQUIRE(next.until([&] { return has(next, "marker"); }));
    const bool again = has(next, "input");
    CHECK(next.close());
    cluster.up(with_outputs);
    CHECK_FALSE(plain.stop());
    return again;
}

TEST_CASE("a commit before its outputs: a crash then loses for good what the handler published") {
    CHECK_FALSE(input_comes_again(false)); // the simpler design: nobody will publish it again
    CHECK(input_comes_again(true));
}

} // namespace commit_before_outputs
