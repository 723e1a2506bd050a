#include "every_token.hpp"
#include "mock_cluster.hpp"
#include "order_event.hpp"
#include "quiet.hpp"

#include <cobus/kafka.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <string>
#include <string_view>

namespace tokens_over_kafka {

using cobus::test::order;
using tokens = cobus::test::every_token<order>;

auto over(const cobus::test::mock_cluster& cluster) -> cobus::settings {
    cobus::settings how = cobus::test::quiet();
    how.kafka(true)
        .require_kafka(true)
        .brokers(cluster.brokers())
        .group_id("readers")
        .start_from(cobus::start_at::earliest)
        .property("fetch.wait.max.ms", "10")
        .property("session.timeout.ms", "6000")
        .property("heartbeat.interval.ms", "500");
    return how;
}

/// All tokens on one bus, since a group takes the mock cluster three seconds.
void publish_by_all(std::string_view name, const cobus::net::any_io_executor& executor) {
    CAPTURE(name);
    cobus::test::mock_cluster cluster;
    cluster.create_topic("orders", 1);
    std::atomic<std::size_t> handled{0};
    std::promise<void> all_handled;
    cobus::bus bus(executor, over(cluster), cobus::kafka());
    auto handler = bus.on<order>("count", [&](const order& event) {
        CHECK(event.number == 7);
        if (++handled == tokens::all.size()) {
            all_handled.set_value();
        }
    });
    bus.start(cobus::net::use_future).get();
    for (const tokens::entry& token : tokens::all) {
        CAPTURE(token.name);
        tokens cases(bus, executor, order{"k", 7}, "orders");
        (cases.*token.publish)();
    }
    const order last{"k", 7}; // one more than there are tokens: its offset tells of the others
    const cobus::receipt where = bus.publish(last, cobus::net::use_future).get();
    CHECK(where.way() == cobus::path::kafka);
    CHECK(where.offset() == static_cast<std::int64_t>(tokens::all.size()));
    REQUIRE(all_handled.get_future().wait_for(std::chrono::seconds(60)) ==
            std::future_status::ready);
    cobus::test::stop_by_callback_and_future(bus);
}

} // namespace tokens_over_kafka

TEST_CASE("every completion token works on every kind of executor over Kafka") {
    cobus::test::on_every_executor(tokens_over_kafka::publish_by_all);
}
