#include "kafka_server.hpp"
#include "plain_client.hpp"
#include "run.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>

#include <activity/activity_event.hpp>
#include <activity/array_splitter.hpp>
#include <activity/input_file.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

// The whole activity file through the bus: what comes out is what went in, for each user.

namespace {

using namespace std::chrono_literals;
using cobus::test::run;
using cobus::test::until;
namespace net = cobus::net;

/// Each user's events in their order.
using by_user = std::map<std::string, std::vector<activity_event>>;
using counts = std::map<std::pair<std::string, std::string>, std::size_t>; // by user and type

auto read_file() -> std::vector<activity_event> {
    std::vector<activity_event> all;
    activity::input_file file(ACTIVITY_FILE);
    activity::array_splitter splitter;
    for (std::string_view piece = file.read(); !piece.empty(); piece = file.read()) {
        splitter.feed(piece);
        while (const auto element = splitter.next()) {
            const auto result = cobus::json_codec::decode(*element, all.emplace_back());
            REQUIRE_MESSAGE(result.ok(), result.problem());
        }
    }
    REQUIRE(splitter.finish());
    return all;
}
auto count(const by_user& all) -> counts {
    counts made;
    for (const auto& [user, events] : all) {
        for (const activity_event& event : events) {
            ++made[{user, event.event_type}];
        }
    }
    return made;
}

/// Publishes all, many at once, while two handlers take them: a plain function, and a coroutine
/// that is suspended in each event.
void through(cobus::settings how, cobus::path way) {
    const std::vector<activity_event> file = read_file();
    REQUIRE(file.size() == 34'868);
    by_user wanted;
    for (const activity_event& event : file) {
        wanted[event.user_id].push_back(event);
    }
    REQUIRE(wanted.size() == 1'589);

    by_user plain;
    by_user suspended;
    std::size_t handled = 0;
    std::size_t sent = 0;
    std::size_t under_way = 0;
    net::io_context context;
    run(
        context,
        [&]() -> net::awaitable<void> {
            cobus::bus bus(context.get_executor(), how, cobus::kafka());
            auto first = bus.on<activity_event>("plain", [&](const activity_event& event) {
                plain[event.user_id].push_back(event);
                ++handled;
            });
            auto second = bus.on<activity_event>(
                "suspended", [&](const activity_event& event) -> net::awaitable<void> {
                    co_await net::post(net::use_awaitable);
                    suspended[event.user_id].push_back(event);
                    ++handled;
                });
            co_await bus.start();
            co_await first.ready();
            for (const activity_event& event : file) {
                ++under_way;
                bus.publish(event, [&](std::error_code ec, const cobus::receipt& where) {
                    --under_way;
                    sent += static_cast<std::size_t>(!ec && where.way() == way);
                });
                if (under_way >= 5'000) {
                    co_await until([&] { return under_way < 2'500; });
                }
            }
            co_await until([&] { return under_way == 0 && handled >= 2 * file.size(); }, 120s);
            co_await bus.stop();
        },
        200s);
    CHECK(sent == file.size());
    CHECK(handled == 2 * file.size());
    CHECK(count(plain) == count(wanted));
    CHECK(count(suspended) == count(wanted));
    CHECK(plain == wanted);
    CHECK(suspended == wanted);
}

} // namespace

TEST_CASE(
    "the whole activity file goes through memory: equal counts, each user's events in order") {
    cobus::settings how;
    how.logger(cobus::logger());
    SUBCASE("as objects") { through(how, cobus::path::memory); }
    SUBCASE("encoded and decoded") { through(how.serialise(), cobus::path::memory); }
}

TEST_CASE("the whole activity file goes through Kafka: equal counts, each user's events in order") {
    const std::string topic = "activity-file." + std::to_string(::getpid());
    cobus::test::plain_create_topic(cobus::test::kafka_brokers(), topic, 4);
    cobus::settings how;
    how.kafka(true)
        .require_kafka()
        .brokers(cobus::test::kafka_brokers())
        .group_id(topic)
        .topic("event", topic)
        .logger(cobus::logger())
        .property("fetch.wait.max.ms", "10");
    through(how, cobus::path::kafka);
}
