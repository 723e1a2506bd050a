#include <cobus/cobus.hpp>
#include <cobus/testing.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// Long delays in retry topics: what failed waits there, what comes after it in its key follows it,
// others go on; restarts and rebalances change nothing of that.

namespace retry_topic_tests {

using cobus::testing::bus_fixture;
using namespace std::chrono_literals;

/// Buses of one group on one broker, whose handler notes what it gets and fails as it is told to.
struct scene {
    explicit scene(std::vector<std::chrono::milliseconds> tiers = {1min}, std::size_t parts = 2)
        : delays(std::move(tiers)), partitions(parts) {
        kit.start_by_hand();
    }
    ~scene() {
        while (!members.empty()) {
            crash(0);
        }
    }

    struct member {
        std::unique_ptr<cobus::bus> bus;
        cobus::subscription handler;
    };

    auto open(cobus::order how = cobus::order::by_key) -> cobus::bus& {
        cobus::settings said = kit.settings();
        said.group_id("g").retry_topics(delays).partitions(partitions);
        member made;
        made.bus = std::make_unique<cobus::bus>(kit.executor(), said, kit.transport());
        made.handler =
            made.bus->on_any(cobus::handler("h").ordered(how).retry_topics().retry(
                                 cobus::retry_policy().attempts(2).backoff(1ms, 1ms)),
                             {"t"}, [this](const cobus::message& content, cobus::context& where) {
                                 const std::string text(content.payload());
                                 CHECK(where.topic() == "t");
                                 CHECK(content.topic() == "t");
                                 tried.push_back(text);
                                 attempts[text] = where.attempt();
                                 offsets[text].insert(where.offset());
                                 if (failing.contains(text)) {
                                     throw std::runtime_error("told to fail");
                                 }
                                 handled.push_back(text);
                             });
        kit.run(made.bus->start());
        kit.run(made.handler.ready());
        kit.settle();
        members.push_back(std::move(made));
        return *members.back().bus;
    }
    /// "a1" has the key "a".
    void publish(const std::string& text, bool keyed = true) {
        cobus::message content("t", "text", text);
        if (keyed) {
            content.key(text.substr(0, 1));
        }
        kit.run(members.back().bus->publish(std::move(content)));
        kit.settle();
    }
    void stop(std::size_t which) {
        kit.run(members[which].bus->stop());
        crash(which);
    }
    void crash(std::size_t which) {
        members[which].bus.reset(); // before its handler, which would end in order
        kit.settle();
        members.erase(members.begin() + static_cast<std::ptrdiff_t>(which));
        kit.settle();
    }
    [[nodiscard]] auto retries() const -> cobus::retry_health {
        return members.front().bus->health().retries;
    }
    /// First deliveries that went well, of one key.
    [[nodiscard]] auto of(char key) const -> std::vector<std::string> {
        std::vector<std::string> found;
        for (const std::string& each : handled) {
            if (each[0] == key && std::ranges::find(found, each) == found.end()) {
                found.push_back(each);
            }
        }
        return found;
    }

    bus_fixture kit;
    std::vector<std::chrono::milliseconds> delays;
    std::size_t partitions;
    std::vector<member> members;
    std::set<std::string> failing;
    std::vector<std::string> tried;
    std::vector<std::string> handled;
    std::map<std::string, unsigned> attempts;
    std::map<std::string, std::set<std::int64_t>> offsets;
};

using texts = std::vector<std::string>;

TEST_CASE("what failed waits, its key follows it, and other keys go on") {
    scene here;
    here.open();
    here.failing = {"a1"};
    for (const char* each : {"a1", "b1", "a2", "b2"}) {
        here.publish(each);
    }
    here.kit.advance(30s);
    CHECK(here.of('a').empty());
    CHECK(here.of('b') == texts{"b1", "b2"});
    CHECK(here.attempts["a1"] == 2);
    here.failing.clear();
    here.publish("a3");
    CHECK(here.of('a').empty());
    here.kit.until_idle();
    CHECK(here.of('a') == texts{"a1", "a2", "a3"});
    CHECK(here.handled.size() == 5);
    CHECK(here.attempts["a1"] == 3);
    CHECK(here.offsets["a1"].size() == 1); // as if it had come from its own topic
    CHECK(here.kit.clock().passed() < 3min);
    here.publish("a4");
    CHECK(here.of('a') == texts{"a1", "a2", "a3", "a4"});
    CHECK(here.kit.dead_letters().empty());
}

TEST_CASE("what fails again goes to the next tier and keeps its place, and at last is dead") {
    scene here({1min, 1h});
    here.open();
    here.failing = {"a1", "a3"};
    for (const char* each : {"a1", "a2", "a3", "a4"}) {
        here.publish(each);
    }
    here.kit.advance(30min);
    CHECK(here.tried == texts{"a1", "a1", "a1", "a1"});
    here.kit.advance(45min);
    const auto dead = here.kit.dead_letters();
    REQUIRE_FALSE(dead.empty());
    CHECK(dead[0].attempts() == 6);
    CHECK(dead[0].topic() == "t");
    CHECK_FALSE(dead[0].content().headers().get("cobus-retry-handler"));
    here.kit.until_idle();
    CHECK(here.of('a') == texts{"a2", "a4"});
    CHECK(here.kit.dead_letters().size() == 2);
}

TEST_CASE("what waits survives a restart with its attempts and its time") {
    for (const bool stopped : {true, false}) {
        CAPTURE(stopped);
        scene here({1h});
        here.open();
        here.failing = {"a1", "c1"};
        for (const char* each : {"a1", "c1", "a2"}) {
            here.publish(each);
        }
        here.kit.advance(30min);
        stopped ? here.stop(0) : here.crash(0);
        here.failing = {"c1"};
        here.open();
        here.publish("a3");
        here.publish("c2");
        here.publish("b1");
        here.kit.advance(29min);
        CHECK(here.of('a').empty());
        CHECK(here.of('b') == texts{"b1"});
        here.kit.advance(2min);
        CHECK(here.of('a').front() == "a1");
        CHECK(here.attempts["a1"] == 3);
        here.kit.until_idle();
        CHECK(here.of('a') == texts{"a1", "a2", "a3"});
        CHECK(here.of('c') == texts{"c2"});
        CHECK(here.kit.dead_letters().size() == 1);
    }
}

TEST_CASE("what was written before a crash and not committed is kept out the second time") {
    scene here({1h}, 1);
    here.kit.faults.fail_commit(cobus::testing::always(), cobus::errc::unavailable);
    here.open();
    here.failing = {"a1"};
    for (const char* each : {"a1", "a2", "b1"}) {
        here.publish(each);
    }
    here.kit.advance(1min);
    here.crash(0);
    here.kit.faults.clear();
    here.tried.clear();
    here.open();
    here.kit.advance(1min);
    CHECK(here.tried == texts{"b1"}); // a1 and a2 wait
    here.failing.clear();
    here.kit.until_idle();
    CHECK(here.tried == texts{"b1", "a1", "a2"});
}

TEST_CASE("a member that joins or goes takes over what waits, with its order") {
    scene here({10min}, 4);
    here.open();
    here.failing = {"a1", "b1", "c1", "d1", "e1", "f1"};
    const std::string keys = "abcdef";
    const auto publish_all = [&](char number) {
        for (const char key : keys) {
            here.publish(std::string{key, number});
        }
    };
    publish_all('1');
    publish_all('2');
    here.open();
    publish_all('3');
    here.kit.advance(1min);
    CHECK(here.handled.empty());
    here.failing.clear();
    here.kit.advance(8min);
    here.stop(0);
    publish_all('4');
    here.open();
    here.kit.until_idle();
    publish_all('5');
    for (const char key : keys) {
        const std::string name(1, key);
        CHECK(here.of(key) == texts{name + "1", name + "2", name + "3", name + "4", name + "5"});
    }
}

TEST_CASE("without a key, or without an order, nobody follows") {
    for (const cobus::order how : {cobus::order::by_key, cobus::order::unordered}) {
        scene here({1h}, 1);
        here.open(how);
        here.failing = {"a1"};
        here.publish("a1", how == cobus::order::unordered);
        here.publish("a2", how == cobus::order::unordered);
        here.kit.advance(1s); // the second attempt comes after its backoff
        CHECK(here.handled == texts{"a2"});
        here.failing.clear();
        here.kit.until_idle();
        CHECK(here.handled == texts{"a2", "a1"});
    }
}

TEST_CASE("a retry topic that refuses holds its key up until it takes what failed") {
    scene here;
    here.open();
    here.kit.faults.fail(cobus::testing::first(3).topic("retry.g.t"), cobus::errc::unavailable);
    here.failing = {"a1"};
    here.publish("a1");
    here.publish("a2");
    here.kit.advance(100ms);
    const cobus::retry_health held = here.retries();
    CHECK(held.waiting == 1);
    CHECK(held.cause == cobus::errc::unavailable);
    CHECK(held.why.find("'retry.g.t' refuses") != std::string::npos);
    CHECK(here.kit.clock().now() - held.since <= 100ms);
    here.kit.advance(1s);
    here.failing.clear();
    here.kit.until_idle();
    CHECK(here.of('a') == texts{"a1", "a2"});
    CHECK(here.attempts["a1"] == 3);
    CHECK(here.retries().well());
    CHECK(here.retries().why.empty());
}

TEST_CASE("health counts partitions whose retry topic cannot be read yet") {
    scene here({1min}, 1);
    here.kit.faults.fail(cobus::testing::first(3).topic("retry.g.t"), cobus::errc::unavailable);
    here.open();
    here.publish("a1");
    CHECK(here.handled.empty());
    CHECK(here.retries().stopped == 1);
    CHECK(here.retries().cause == cobus::errc::unavailable);
    here.kit.advance(5s);
    CHECK(here.handled == texts{"a1"});
    CHECK(here.retries().well());
    here.kit.faults.fail(cobus::testing::first(1).topic("retry.g.t"), cobus::errc::unavailable);
    here.open();
    here.crash(1); // with the partition that it could not read
    here.kit.advance(5s);
    CHECK(here.retries().well());
}

TEST_CASE("where as many wait as may, what fails is held up until some are through") {
    constexpr int most = 16384;
    scene here({1h}, 1);
    here.open();
    here.failing = {"a0"};
    here.publish("a0");
    here.kit.advance(100ms);
    for (int i = 1; i < most; ++i) {
        here.publish("a" + std::to_string(i));
    }
    CHECK(here.retries().well());
    here.failing.insert("b1");
    here.publish("b1");
    here.publish("c1");
    here.kit.advance(100ms);
    CHECK(here.handled == texts{"c1"});
    CHECK(here.retries().waiting == 1);
    CHECK_FALSE(here.retries().cause);
    CHECK(here.retries().why.find("16384 of one partition wait already") != std::string::npos);
    here.failing.clear();
    here.kit.until_idle();
    CHECK(here.handled.size() == most + 2);
    CHECK(here.of('a').size() == most);
    CHECK(here.of('b') == texts{"b1"});
    CHECK(here.retries().well());
}

TEST_CASE(
    "a handler that wants retry topics is refused where the broker alone assigns partitions") {
    cobus::net::io_context context;
    cobus::settings how;
    how.kafka(true).brokers("localhost:9092").property("group.protocol", "consumer");
    cobus::bus bus(context.get_executor(), std::move(how), cobus::memory());
    const auto ordinary =
        bus.on_any(cobus::handler("ordinary"), {"orders"}, [](const cobus::message&) {});
    std::string problem;
    try {
        const auto refused = bus.on_any(cobus::handler("waits").retry_topics(), {"orders"},
                                        [](const cobus::message&) {});
    } catch (const cobus::error& caught) {
        CHECK(caught.code() == cobus::errc::bad_settings);
        problem = caught.what();
    }
    INFO(problem);
    CHECK(problem.find("handler 'waits': retry_topics cannot be with group.protocol=consumer") !=
          std::string::npos);
}

TEST_CASE("a handler that wants retry topics is refused unless it names its topics") {
    cobus::net::io_context context;
    cobus::bus bus(context.get_executor(), cobus::settings(), cobus::memory());
    const auto handler = [](const cobus::message&) {};
    CHECK_NOTHROW((void)bus.on_any(cobus::handler("all"), handler));
    CHECK_THROWS_WITH_AS(
        (void)bus.on_any(cobus::handler("all").retry_topics(), handler),
        doctest::Contains(
            "handler 'all' names no topics, so it has no retry topics: list its topics"),
        cobus::error);
}

} // namespace retry_topic_tests
