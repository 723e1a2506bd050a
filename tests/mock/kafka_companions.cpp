#include "../support/mock_scene.hpp"

#include <cobus/kafka.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

// Partitions that are read without a subscription, because they go with others.
namespace companions_test {

using namespace cobus;
using namespace cobus::test;

auto followers() -> std::vector<companion> {
    return {{detail::intern("orders"), detail::intern("retry.orders")}};
}
auto numbers_of(const stream_driver& in, const char* topic) -> std::vector<int> {
    std::vector<int> numbers;
    for (const topic_partition& each : in.assigned) {
        if (*each.topic == topic) {
            numbers.push_back(each.partition);
        }
    }
    std::ranges::sort(numbers);
    return numbers;
}
void publish_to_follower(transport_driver& bus, const char* payload, int partition) {
    test_publish node("retry.orders", "key", payload);
    node.partition = partition;
    REQUIRE_FALSE(bus.publish(node));
}
auto has_seen(const stream_driver& in, const char* payload) -> bool {
    return std::ranges::any_of(in.seen,
                               [&](const seen_message& each) { return each.payload == payload; });
}

} // namespace companions_test

TEST_CASE("companions are made, assigned, moved and given up with what they belong to") {
    using namespace companions_test;
    scene here(2);
    stream_driver first(here.bus->get(), {"orders"}, "group", followers());
    REQUIRE(first.until([&] { return first.assigned.size() == 4; }));
    CHECK(first.signals.size() == 1);
    publish_to_follower(*here.bus, "waits", 1);
    REQUIRE(first.until([&] { return has_seen(first, "waits"); }));

    transport_driver other(kafka(), quick_kafka(here.cluster.brokers()));
    REQUIRE_FALSE(other.start());
    {
        stream_driver second(other.get(), {"orders"}, "group", followers());
        REQUIRE(first.until_with(
            second, [&] { return first.assigned.size() == 2 && second.assigned.size() == 2; }));
        CHECK(numbers_of(first, "orders") == numbers_of(first, "retry.orders"));
        CHECK(numbers_of(second, "orders") == numbers_of(second, "retry.orders"));
        CHECK(second.close());
        CHECK(second.assigned.empty());
    }
    REQUIRE(first.until([&] { return first.assigned.size() == 4; }));
    CHECK(first.close());
    CHECK(first.assigned.empty());
    CHECK_FALSE(other.stop());
}

TEST_CASE("companions go with what they belong to in eager groups, too") {
    using namespace companions_test;
    transport_options options;
    options.properties["partition.assignment.strategy"] = "range";
    scene here(2, options);
    stream_driver first(here.bus->get(), {"orders"}, "group", followers());
    REQUIRE(first.until([&] { return first.assigned.size() == 4; }));
    stream_driver second(here.bus->get(), {"orders"}, "group", followers());
    REQUIRE(first.until_with(
        second, [&] { return first.assigned.size() == 2 && second.assigned.size() == 2; }));
    CHECK(numbers_of(first, "orders") == numbers_of(first, "retry.orders"));
    CHECK(numbers_of(second, "orders") == numbers_of(second, "retry.orders"));
    CHECK(second.close());
    CHECK(first.close());
}

TEST_CASE("a companion is read from its beginning, whatever a new group begins with otherwise, and "
          "then from what was committed") {
    using namespace companions_test;
    transport_options options;
    options.properties["auto.offset.reset"] = "latest";
    scene here(1, options);
    here.publish(0, 1);
    publish_to_follower(*here.bus, "waits", 0);
    {
        stream_driver in(here.bus->get(), {"orders"}, "group", followers());
        REQUIRE(in.until([&] { return has_seen(in, "waits"); }));
        CHECK(in.seen.size() == 1);
        position done{{detail::intern("retry.orders"), 0}, in.seen.front().offset + 1, {}};
        CHECK_FALSE(in.commit({done}));
        CHECK(in.close());
    }
    publish_to_follower(*here.bus, "waits longer", 0);
    stream_driver again(here.bus->get(), {"orders"}, "group", followers());
    REQUIRE(again.until([&] { return has_seen(again, "waits longer"); }));
    CHECK(again.seen.size() == 1);
    CHECK(again.close());
}

TEST_CASE("a companion with fewer partitions than what it belongs to is left out, and said") {
    using namespace companions_test;
    log_lines lines;
    transport_options options;
    options.log = lines.logger();
    scene here(2, options);
    here.cluster.create_topic("retry.orders", 1);
    stream_driver in(here.bus->get(), {"orders"}, "group", followers());
    REQUIRE(in.until([&] { return !in.assigned.empty(); }));
    CHECK(in.assigned.size() == 2);
    CHECK(lines.count("topic retry.orders needs as many partitions as orders, 2, and has 1") == 1);
    CHECK(in.close());
}
