#include "../support/kafka_options.hpp"
#include "../support/mock_scene.hpp"
#include "../support/run.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

// Where a group begins, when it receives, and whether it commits.

using namespace cobus;
using namespace cobus::test;
using namespace std::chrono_literals;

namespace {

auto from_the_latest() -> transport_options {
    transport_options options;
    options.from = start_at::latest;
    return options;
}

struct placed {
    std::string key;
};

} // namespace

template <> struct cobus::contract<placed> {
    static constexpr std::string_view type = "placed", topic = "orders";
    static constexpr auto key = &placed::key;
    struct codec {
        static constexpr std::string_view content_type = "text/plain";
        static auto encode(const placed& from, std::string& to) -> codec_result {
            to = from.key;
            return {};
        }
        static auto decode(std::string_view from, placed& to) -> codec_result {
            to.key = from;
            return {};
        }
    };
};

TEST_CASE("a group that starts at the latest receives all from its assignment on") {
    scene here(4, from_the_latest());
    here.publish(0, 10);
    stream_driver in(here.bus->get(), {"orders"});
    REQUIRE(in.until([&] { return in.assigned.size() == 4; }));
    CHECK(in.get().receives());
    here.publish(10, 30); // before it asked for anything
    REQUIRE(in.until([&] { return in.seen.size() >= 20; }));
    for (const seen_message& each : in.seen) {
        CHECK(std::stoi(each.payload) >= 10);
    }
    CHECK(in.close());
}

TEST_CASE("a group that crashes before its first commit goes on where it began") {
    scene here(2, from_the_latest());
    here.publish(0, 10);
    {
        stream_driver in(here.bus->get(), {"orders"});
        in.reading = false;
        REQUIRE(in.until([&] { return in.assigned.size() == 2; }));
        in.crash();
    }
    here.publish(10, 20);
    stream_driver again(here.bus->get(), {"orders"});
    REQUIRE(again.until([&] { return again.seen.size() >= 10; }));
    CHECK(again.seen.size() == 10);
    CHECK(std::stoi(again.seen.front().payload) >= 10);
    CHECK(again.close());
}

namespace {

const std::vector<rd_kafka_resp_err_t> loading{
    RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR};

} // namespace

TEST_CASE("a coordinator that still loads has not lost what the group committed") {
    scene here(1, from_the_latest());
    {
        stream_driver in(here.bus->get(), {"orders"});
        REQUIRE(in.until([&] { return in.assigned.size() == 1; }));
        here.publish(0, 10);
        REQUIRE(in.until([&] { return in.seen.size() == 10; }));
        REQUIRE_FALSE(in.commit({{{detail::intern("orders"), 0}, 4, {}}}));
        in.crash();
    }
    here.cluster.push_errors(kafka_request::offset_fetch, loading);
    stream_driver again(here.bus->get(), {"orders"});
    REQUIRE(again.until([&] { return again.seen.size() >= 6; }));
    CHECK(again.seen.front().offset == 4);
    CHECK(again.close());
}

TEST_CASE("a position that Kafka does not have any more is counted, and said") {
    log_lines lines;
    transport_options options;
    options.log = lines.logger();
    scene here(1, std::move(options));
    {
        stream_driver in(here.bus->get(), {"orders"});
        REQUIRE(in.until([&] { return in.assigned.size() == 1; }));
        here.publish(0, 10);
        REQUIRE(in.until([&] { return in.seen.size() == 10; }));
        CHECK(here.bus->get().health().resets == 0);
        REQUIRE_FALSE(in.commit({{{detail::intern("orders"), 0}, 5000, {}}}));
        in.crash();
    }
    stream_driver again(here.bus->get(), {"orders"});
    REQUIRE(again.until([&] { return again.seen.size() >= 10; }));
    CHECK(again.seen.front().offset == 0);
    CHECK(here.bus->get().health().resets == 1);
    CHECK(again.close());
    CHECK(lines.count("not there any more") == 1);
    CHECK(lines.count("orders [0]") == 1);
}

TEST_CASE("a group whose coordinator still loads remembers where it began, too") {
    scene here(2, from_the_latest());
    here.publish(0, 10);
    here.cluster.push_errors(kafka_request::offset_fetch, loading);
    {
        stream_driver in(here.bus->get(), {"orders"});
        in.reading = false;
        REQUIRE(in.until([&] { return in.assigned.size() == 2; }));
        in.crash();
    }
    here.cluster.clear_errors(kafka_request::offset_fetch);
    here.publish(10, 20);
    stream_driver again(here.bus->get(), {"orders"});
    REQUIRE(again.until([&] { return again.seen.size() >= 10; }));
    CHECK(std::stoi(again.seen.front().payload) >= 10);
    CHECK(again.close());
}

TEST_CASE("an outage that is longer than the session repeats what was not committed, no more") {
    scene here(1);
    here.publish(0, 10);
    stream_driver in(here.bus->get(), {"orders"});
    REQUIRE(in.until([&] { return in.seen.size() == 10; }));
    REQUIRE_FALSE(in.commit({{{detail::intern("orders"), 0}, 7, {}}}));
    here.cluster.down();
    REQUIRE(in.until([&] { return in.signals.back() == signal::lost; }));
    here.cluster.up();
    REQUIRE(in.until([&] { return in.seen.size() >= 13; }));
    CHECK(in.seen.at(10).offset == 7);
    here.publish(10, 11);
    REQUIRE(in.until([&] { return in.seen.back().payload == "10"; }));
    CHECK(in.seen.size() == 14);
    CHECK(in.close());
}

TEST_CASE("a handler over Kafka with a fallback is ready when Kafka brings what is published") {
    mock_cluster cluster;
    cluster.create_topic("orders", 4);
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        settings how;
        how.kafka(true).brokers(cluster.brokers()).start_from(start_at::latest);
        how.property("fetch.wait.max.ms", "10").property("session.timeout.ms", "6000");
        bus events(context.get_executor(), how, kafka());
        std::vector<std::string> seen;
        const auto collect = [&](const placed& event) { seen.push_back(event.key); };
        auto reader = events.on<placed>("reader", collect);
        co_await events.start();
        CHECK(events.health().what == state::connected);
        co_await reader.ready();
        placed first{"first"};
        CHECK((co_await events.publish(first)).way() == path::kafka);
        co_await until([&] { return !seen.empty(); }, 10s);
        CHECK(seen == std::vector<std::string>{"first"});
        co_await events.stop();
    });
}

TEST_CASE("without Kafka a handler is ready for what is delivered in process") {
    mock_cluster cluster;
    cluster.down();
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        settings how;
        how.kafka(true).brokers(cluster.brokers()).decision_time(1s);
        bus events(context.get_executor(), how, kafka());
        int seen = 0;
        const auto count = [&](const placed& /*event*/) { ++seen; };
        auto reader = events.on<placed>("reader", count);
        co_await events.start();
        CHECK(events.health().what == state::degraded);
        co_await reader.ready();
        placed first{"first"};
        CHECK((co_await events.publish(first)).spooled());
        co_await until([&] { return seen == 1; });
        co_await events.stop(2s);
    });
}

TEST_CASE("a handler of topics that are read already is ready, also after others went") {
    scene here(2);
    here.cluster.create_topic("more", 1);
    stream_driver in(here.bus->get(), {"orders", "more"});
    REQUIRE(in.until([&] { return in.assigned.size() == 3; }));
    in.signals.clear();
    interest one;
    one.topics = {detail::intern("orders")};
    in.get().update(one);
    REQUIRE(in.until([&] { return std::ranges::count(in.signals, signal::assigned) > 0; }));
    CHECK(in.get().receives());
    CHECK(in.assigned.size() >= 2);
    CHECK(in.close());
}

TEST_CASE("commits that the cluster refuses are said once, and again when they work") {
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    log_lines lines;
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        settings how;
        how.kafka(true).brokers(cluster.brokers()).logger(lines.logger());
        how.property("fetch.wait.max.ms", "10").property("session.timeout.ms", "6000");
        bus events(context.get_executor(), how, kafka());
        int seen = 0;
        const auto count = [&](const placed& /*event*/) { ++seen; };
        auto reader = events.on<placed>("reader", count);
        co_await events.start();
        co_await reader.ready();
        const std::vector<rd_kafka_resp_err_t> refusals(
            3, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
        cluster.push_errors(kafka_request::offset_commit, refusals);
        placed first{"first"};
        co_await events.publish(first);
        co_await until([&] { return lines.count("positions are committed again") == 1; });
        CHECK(seen == 1);
        CHECK(lines.count("positions are not committed") == 1);
        co_await events.stop();
    });
}
