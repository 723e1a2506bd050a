#include "child_process.hpp"
#include "kafka_server.hpp"
#include "plain_client.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <vector>

// The activity program as users run it, over a real Kafka that is killed under it.

namespace {

using namespace std::chrono_literals;
using cobus::test::child_process;
using cobus::test::kafka_server;

/// The program with a topic of its own.
auto activity(const std::string& brokers, const std::string& topic,
              const std::vector<std::string>& arguments) -> std::vector<std::string> {
    std::vector<std::string> all{"env", "KAFKA_ENABLED=true", "KAFKA_BROKERS=" + brokers,
                                 "KAFKA_ACTIVITY_TOPIC=" + topic, ACTIVITY_PROGRAM};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
}

/// All that it prints until it ends, or the time is over.
auto output_of(child_process& program, std::chrono::milliseconds limit) -> std::string {
    std::string text;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        const auto line = program.read_line(left);
        if (!line) {
            return text;
        }
        text.append(*line).append("\n");
    }
}
auto exit_code(child_process& program) -> int {
    REQUIRE(program.wait(30s));
    return WIFEXITED(program.status()) ? WEXITSTATUS(program.status()) : -1;
}

/// Distinct events in a topic, by their text, and whether each user's are in order of time.
struct contents {
    std::map<std::string, std::size_t> distinct; ///< how often each is there
    std::size_t messages = 0;
    bool ordered = true;
};
auto read_topic(const std::string& brokers, const std::string& topic, std::size_t count)
    -> contents {
    contents found;
    std::map<std::string, std::string> latest;
    for (const auto& message : cobus::test::plain_consume(brokers, topic, count, 60s)) {
        const auto event = nlohmann::json::parse(message.payload);
        const std::string user = event.at("user_id"), when = event.at("occurred_at");
        CHECK(message.key == user);
        CHECK(message.headers.empty());
        ++found.messages;
        if (++found.distinct[message.payload] == 1) {
            found.ordered = found.ordered && latest[user] <= when;
            latest[user] = when;
        }
    }
    return found;
}

constexpr std::size_t distinct_events = 34'868;

/// What is there when the program has sent its file six times, over a broker that was killed.
void check_six_times(child_process& program, const kafka_server& server, const std::string& topic) {
    const std::string text = output_of(program, 240s);
    CAPTURE(text);
    CHECK(exit_code(program) == 0);
    CHECK(text.find("209208 sent (kafka 209208), 0 failed, 0 bad") != std::string::npos);
    const std::size_t count = cobus::test::plain_count(server.brokers(), topic);
    const contents found = read_topic(server.brokers(), topic, count);
    CHECK(found.messages >= 209'208);
    CHECK(found.distinct.size() == distinct_events);
    // No copy is missing behind another one's duplicate.
    CHECK(std::ranges::all_of(found.distinct, [](const auto& each) { return each.second >= 6; }));
}

} // namespace

TEST_CASE("the whole file goes through Kafka: equal counts, each user's events in order") {
    const std::string brokers = cobus::test::kafka_brokers();
    child_process program(
        activity(brokers, "activity.whole", {"produce", "--handle", ACTIVITY_FILE}));
    const std::string text = output_of(program, 120s);
    CAPTURE(text);
    CHECK(exit_code(program) == 0);
    CHECK(text.find("34868 sent (kafka 34868), 0 failed, 0 bad") != std::string::npos);
    CHECK(text.find("handled 34868 events of 1589 users") != std::string::npos);
    CHECK(text.find("events handled out of their user's order: 0") != std::string::npos);
    const contents found = read_topic(brokers, "activity.whole", 34'868);
    CHECK(found.messages == 34'868);
    CHECK(found.distinct.size() == distinct_events);
    CHECK(found.ordered);
}

TEST_CASE("a broker killed in the middle costs time and nothing else") {
    kafka_server server;
    cobus::test::plain_create_topic(server.brokers(), "activity.killed", 4);
    // Many files, so that there is a middle.
    std::vector<std::string> arguments{"produce"};
    arguments.insert(arguments.end(), 6, ACTIVITY_FILE);
    child_process program(activity(server.brokers(), "activity.killed", arguments));
    REQUIRE(program.read_line(60s) == "sending to Kafka at " + server.brokers());
    const auto some = cobus::test::plain_consume(server.brokers(), "activity.killed", 1'000, 60s);
    REQUIRE(some.size() == 1'000); // it is under way
    server.kill();
    server.restart();
    check_six_times(program, server, "activity.killed");
}

TEST_CASE(
    "produce with handlers waits for a broker that is killed for longer than sending may take") {
    kafka_server server;
    // The topic is made by the program itself, for its handlers. What does not wait is given up
    // during the outage.
    auto words = activity(server.brokers(), "activity.handled", {"produce", "--handle"});
    words.insert(words.begin() + 1, "COBUS_DELIVERY_TIMEOUT_MS=1000");
    words.insert(words.end(), 6, ACTIVITY_FILE);
    child_process program(words);
    REQUIRE(program.read_line(60s) == "sending to Kafka at " + server.brokers());
    const auto some = cobus::test::plain_consume(server.brokers(), "activity.handled", 1'000, 60s);
    REQUIRE(some.size() == 1'000);
    server.kill();
    std::this_thread::sleep_for(4s); // the outage
    server.restart();
    check_six_times(program, server, "activity.handled");
}

TEST_CASE("events wait for a broker that is started after the program") {
    kafka_server server;
    server.kill();
    child_process program(activity(server.brokers(), "activity.late", {"produce", ACTIVITY_FILE}));
    REQUIRE(program.read_line(60s) ==
            "sending to Kafka at " + server.brokers()); // gone on without Kafka
    server.restart();
    const std::string text = output_of(program, 120s);
    CAPTURE(text);
    CHECK(exit_code(program) == 0);
    CHECK(text.find("34868 sent (kafka 34868), 0 failed, 0 bad") != std::string::npos);
}

TEST_CASE("check says whether an event arrives, and that it does not") {
    const std::string brokers = cobus::test::kafka_brokers();
    child_process good(activity(brokers, "activity.check", {"check"}));
    CHECK(output_of(good, 60s).find("there and back in") != std::string::npos);
    CHECK(exit_code(good) == 0);
    child_process bad(activity("127.0.0.1:1", "activity.check", {"check"}));
    CHECK(output_of(bad, 60s) == "");
    CHECK(exit_code(bad) == 1);
}

TEST_CASE("consume counts what others produce") {
    const std::string brokers = cobus::test::kafka_brokers();
    child_process counting(activity(brokers, "activity.consume", {"consume", "--count", "34868"}));
    child_process program(activity(brokers, "activity.consume", {"produce", ACTIVITY_FILE}));
    CHECK(output_of(program, 60s).find("34868 sent") != std::string::npos);
    const std::string text = output_of(counting, 60s);
    CAPTURE(text);
    CHECK(text.find("34868 events; comment_created 14466, post_updated 11753") !=
          std::string::npos);
    CHECK(exit_code(counting) == 0);
}
