#include "events.hpp"
#include "kafka_server.hpp"
#include "log_book.hpp"
#include "plain_client.hpp"
#include "run.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>

#include <asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <set>
#include <string>

// Static membership (KIP-345) on a real Kafka.

namespace {

struct beat {
    std::string key;
    std::uint64_t number = 0;
};

} // namespace

template <> struct cobus::contract<beat> {
    static constexpr std::string_view type = "beat", topic = "beats";
    static constexpr auto key = &beat::key;
    static constexpr auto fields =
        cobus::fields(field("key", &beat::key), field("number", &beat::number));
    using codec = cobus::json_codec;
};

namespace {

using namespace std::chrono_literals;
using cobus::test::kafka_brokers;
using cobus::test::log_book;
using cobus::test::run;
using cobus::test::until;
namespace net = cobus::net;

[[nodiscard]] auto member(const std::string& topic, const std::string& id, log_book& log)
    -> cobus::settings {
    cobus::settings how;
    how.kafka(true)
        .brokers(kafka_brokers())
        .group_id(topic)
        .topic("beats", topic)
        .property("group.instance.id", id)
        .property("session.timeout.ms", "10000")
        .property("heartbeat.interval.ms", "500")
        .logger(log.logger());
    return how;
}

} // namespace

TEST_CASE(
    "of two processes with one static id, the older stops consuming, says so once, and goes on "
    "publishing") {
    const std::string topic = "static-fenced";
    cobus::test::plain_create_topic(kafka_brokers(), topic, 2);
    net::io_context context;
    log_book older_log, newer_log;
    std::set<std::uint64_t> newer_saw;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus older(context.get_executor(), member(topic, "one", older_log),
                         cobus::over(cobus::kafka()));
        std::size_t older_saw = 0;
        auto first = older.on<beat>("count", [&](const beat&) { ++older_saw; });
        co_await older.start();
        const beat before{"k", 1};
        co_await older.publish(before);
        co_await until([&] { return older_saw == 1; });

        cobus::bus newer(context.get_executor(), member(topic, "one", newer_log),
                         cobus::over(cobus::kafka()));
        auto second =
            newer.on<beat>("count", [&](const beat& event) { newer_saw.insert(event.number); });
        co_await newer.start();
        co_await until([&] { return !older_log.with("consuming stopped for good").empty(); }, 60s);
        for (std::uint64_t number = 2; number < 12; ++number) {
            const beat after{std::to_string(number), number};
            co_await older.publish(after);
        }
        co_await until([&] { return newer_saw.contains(11) && newer_saw.size() >= 10; }, 60s);
        co_await older.stop();
        co_await newer.stop();
    });
    CHECK(older_log.with("consuming stopped for good").size() == 1);
    CHECK(newer_log.with("consuming stopped for good").empty());
}

TEST_CASE("a static member that restarts within its session goes on where it stopped, alone") {
    const std::string topic = "static-restart";
    cobus::test::plain_create_topic(kafka_brokers(), topic, 2);
    net::io_context context;
    log_book log;
    run(context, [&]() -> net::awaitable<void> {
        std::uint64_t published = 0;
        for (int round = 0; round < 3; ++round) {
            std::set<std::uint64_t> seen;
            cobus::bus bus(context.get_executor(), member(topic, "one", log),
                           cobus::over(cobus::kafka()));
            auto handler =
                bus.on<beat>("count", [&](const beat& event) { seen.insert(event.number); });
            co_await bus.start();
            for (int i = 0; i < 5; ++i) {
                const beat event{std::to_string(published), published};
                co_await bus.publish(event);
                ++published;
            }
            co_await until([&] { return seen.size() == 5; }, 60s);
            CHECK(*seen.begin() == published - 5);
            co_await bus.stop();
        }
    });
    CHECK(log.of(cobus::log_level::error).empty());
}
