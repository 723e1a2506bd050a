#include "../support/kafka_options.hpp"
#include "../support/kafka_server.hpp"
#include "../support/plain_client.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/kafka.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <future>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace cobus;
using namespace cobus::test;
using namespace std::chrono_literals;

namespace {

using steady = std::chrono::steady_clock;

auto options_here() -> transport_options { return quick_kafka(kafka_brokers()); }

} // namespace

TEST_CASE("what is published comes back with everything that it carries") {
    const std::string topic = unique("round-trip");
    transport_driver bus(kafka(), options_here());
    REQUIRE_FALSE(bus.start());
    std::deque<test_publish> nodes;
    nodes.emplace_back(topic, "key", "payload");
    nodes.emplace_back(topic, "", "");
    nodes.emplace_back(topic, std::string_view("\0\xff", 2), std::string("\0binary\xff", 8));
    nodes.emplace_back(topic, "gone", "");
    nodes.back().content->no_payload();
    nodes.emplace_back(topic, "", "no key");
    nodes.back().content->no_key();
    nodes.emplace_back(topic, "headers", "x");
    nodes.back().content->headers().add("twice", "1");
    nodes.back().content->headers().add("twice", "2");
    nodes.back().content->headers().add_null("null");
    nodes.back().content->headers().add("empty", "");
    nodes.back().content->source("/tests");
    nodes.back().content->time(time_point(1234567890123ms));
    for (test_publish& each : nodes) {
        each.partition = 0;
        CHECK_FALSE(bus.publish(each));
    }
    stream_driver in(bus.get(), {topic}, unique("group"));
    std::size_t at = 0;
    in.on_message = [&](delivery& each) {
        const message& sent = *nodes.at(at++).content;
        const message& got = *each.content;
        CHECK(got.id() == sent.id());
        CHECK(got.type() == sent.type());
        CHECK(got.topic() == topic);
        CHECK(got.key() == sent.key());
        CHECK(got.payload() == sent.payload());
        CHECK(got.is_null() == sent.is_null());
        CHECK(got.time() == sent.time());
        CHECK(got.headers() == sent.headers());
        return true;
    };
    CHECK(in.until([&] { return at == nodes.size(); }));
    CHECK(in.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a topic is made with the partitions asked for") {
    transport_options options = options_here();
    options.partitions = 3;
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    SUBCASE("by its first message") {
        const std::string topic = unique("made-by-publish");
        std::set<std::int32_t> partitions;
        for (int i = 0; i < 50; ++i) {
            test_publish node(topic, "key-" + std::to_string(i), "v");
            REQUIRE_FALSE(bus.publish(node));
            partitions.insert(node.where.partition());
        }
        CHECK(partitions.size() == 3);
    }
    SUBCASE("by its first reader") {
        const std::string topic = unique("made-by-subscribe");
        stream_driver in(bus.get(), {topic}, unique("group"));
        CHECK(in.until([&] { return in.assigned.size() == 3; }));
        CHECK(in.close());
    }
    CHECK_FALSE(bus.stop());
}

TEST_CASE("companions that are missing are made by one request for all of them") {
    std::atomic<int> requests{0};
    transport_options options = options_here();
    options.partitions = 2;
    options.properties["debug"] = "admin"; // librdkafka says which requests it begins
    options.log = [&](log_level, std::string_view text) {
        if (text.find("CREATETOPICS worker called in state initializing") != text.npos) {
            ++requests;
        }
    };
    const std::string topic = unique("followed");
    plain_create_topic(kafka_brokers(), topic, 2, 1, {});
    std::vector<companion> followers;
    for (int i = 0; i < 14; ++i) {
        followers.push_back(
            {detail::intern(topic), detail::intern(topic + ".retry." + std::to_string(i))});
    }
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    stream_driver in(bus.get(), {topic}, unique("group"), followers);
    constexpr int of_the_topic = 1; // which the transport wants to be there
    CHECK(in.until([&] { return in.assigned.size() == 2 * (1 + followers.size()); }));
    CHECK(requests.load() == of_the_topic + 1);
    CHECK(in.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("one event that is too large for its topic fails alone, also among others in a batch") {
    const std::string topic = unique("small-batches");
    plain_create_topic(kafka_brokers(), topic, 1, 1, {{"max.message.bytes", "1500"}});
    transport_options options = options_here();
    options.properties["linger.ms"] = "200";
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    test_publish warm(topic, "k", "first");
    REQUIRE_FALSE(bus.publish(warm));
    std::deque<test_publish> nodes; // larger than the topic takes, even without the large ones
    for (std::size_t i = 0; i < 40; ++i) {
        nodes.emplace_back(topic, "k", std::string(i == 7 || i == 31 ? 2000 : 100, 'x'));
        REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
    }
    std::int64_t offset = warm.where.offset();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        CAPTURE(i);
        REQUIRE(nodes[i].ended.reaches(1));
        if (i == 7 || i == 31) {
            CHECK(nodes[i].ec == errc::too_large);
        } else {
            CHECK_FALSE(nodes[i].ec);
            CHECK(nodes[i].where.offset() == ++offset); // in the order of publishing
        }
    }
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a topic that is compacted is warned of when it is first used, and no other") {
    const std::string ordinary = unique("ordinary");
    const std::string compacted = unique("compacted");
    plain_create_topic(kafka_brokers(), ordinary, 1);
    plain_create_topic(kafka_brokers(), compacted, 1, 1, {{"cleanup.policy", "compact"}});
    log_lines lines;
    transport_options options = options_here();
    std::promise<void> warned;
    options.log = [&, write = lines.logger()](log_level level, std::string_view text) {
        write(level, text);
        if (text.find("topic " + compacted + " is compacted") != text.npos) {
            warned.set_value(); // a second time would throw, and the count below tell
        }
    };
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    for (const std::string& topic : {ordinary, compacted, compacted}) {
        test_publish node(topic, "key", "v");
        REQUIRE_FALSE(bus.publish(node));
    }
    CHECK(warned.get_future().wait_for(30s) == std::future_status::ready);
    CHECK_FALSE(bus.stop());
    CHECK(lines.count("is compacted") == 1);
}

TEST_CASE("100,000 messages arrive, each once and in order") {
    const std::string topic = unique("many");
    transport_driver bus(kafka(), options_here());
    REQUIRE_FALSE(bus.start());
    constexpr int total = 100000;
    std::deque<test_publish> nodes;
    std::size_t failed = 0;
    for (int i = 0; i < total; ++i) {
        nodes.emplace_back(topic, std::to_string(i % 100), std::to_string(i));
        REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
    }
    for (test_publish& each : nodes) {
        REQUIRE(each.ended.reaches(1));
        failed += static_cast<std::size_t>(static_cast<bool>(each.ec));
    }
    CHECK(failed == 0);
    stream_driver in(bus.get(), {topic}, unique("group"));
    REQUIRE(in.until([&] { return in.seen.size() >= total; }, 60s));
    CHECK(in.seen.size() == total);
    std::map<std::string, int> last;
    bool ordered = true;
    for (const seen_message& each : in.seen) {
        const int number = std::stoi(each.payload);
        const auto [place, first] = last.try_emplace(each.key, number);
        ordered = ordered && (first || place->second < number);
        place->second = number;
    }
    CHECK(ordered);
    CHECK(in.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a closed member's partitions go on at once, without waiting for its session to end") {
    const std::string topic = unique("leaving");
    transport_options options = options_here();
    options.properties["session.timeout.ms"] = "30000";
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    const std::string group = unique("group");
    stream_driver first(bus.get(), {topic}, group);
    stream_driver second(bus.get(), {topic}, group);
    REQUIRE(first.until_with(
        second, [&] { return first.assigned.size() == 2 && second.assigned.size() == 2; }));
    const auto before = steady::now();
    SUBCASE("closed") { CHECK(first.close()); }
    SUBCASE("crashed") { first.crash(); }
    CHECK(second.until([&] { return second.assigned.size() == 4; }));
    CHECK(steady::now() - before < 10s);
    CHECK(second.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a member that the group threw out has lost its partitions, and comes back") {
    const std::string topic = unique("thrown-out");
    transport_options options = options_here();
    options.properties["max.poll.interval.ms"] = "6000";
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    stream_driver in(bus.get(), {topic}, unique("group"));
    REQUIRE(in.until([&] { return in.assigned.size() == 4; }));
    event_count never;
    CHECK_FALSE(never.reaches(1, 8s)); // a dispatcher that is stuck polls nothing
    REQUIRE(in.until([&] { return in.signals.size() >= 2; }));
    CHECK(in.signals[1] == signal::lost);
    CHECK(in.until([&] { return in.assigned.size() == 4; }));
    CHECK(in.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("positions are committed with their metadata") {
    const std::string topic = unique("metadata");
    transport_driver bus(kafka(), options_here());
    REQUIRE_FALSE(bus.start());
    for (int i = 0; i < 3; ++i) {
        test_publish node(topic, "k", std::to_string(i));
        node.partition = 0;
        REQUIRE_FALSE(bus.publish(node));
    }
    const std::string group = unique("group");
    {
        stream_driver in(bus.get(), {topic}, group);
        REQUIRE(in.until([&] { return in.seen.size() == 3; }));
        CHECK_FALSE(in.commit({{{detail::intern(topic), 0}, 2, "~note"}}));
        CHECK(in.close());
    }
    CHECK(plain_committed(kafka_brokers(), group, topic).metadata == "~note");
    stream_driver again(bus.get(), {topic}, group);
    REQUIRE(again.until([&] { return !again.seen.empty(); }));
    CHECK(again.seen.front().offset == 2);
    CHECK(again.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("publishes wait out the death of their broker") {
    kafka_server server;
    transport_options options = quick_kafka(server.brokers());
    options.delivery_timeout = 60s;
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    std::deque<test_publish> nodes;
    for (int i = 0; i < 3000; ++i) {
        nodes.emplace_back("orders", std::to_string(i % 10), std::to_string(i));
        REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
        if (i == 1000) {
            REQUIRE(nodes.front().ended.reaches(1));
            server.kill();
        }
    }
    CHECK(bus.becomes(link::down, 5s));
    server.restart();
    CHECK(bus.becomes(link::up));
    for (test_publish& each : nodes) {
        REQUIRE(each.ended.reaches(1, 60s));
        CHECK_FALSE(each.ec);
    }
    stream_driver in(bus.get(), {"orders"}, "group");
    REQUIRE(in.until([&] { return in.seen.size() >= 3000; }, 60s));
    CHECK(in.seen.size() == 3000); // the broker removes what an idempotent producer sends twice
    CHECK(in.close());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a frozen broker counts as away within the decision time, and a thawed one as back") {
    kafka_server server;
    transport_driver bus(kafka(), quick_kafka(server.brokers()));
    REQUIRE_FALSE(bus.start());
    test_publish first("orders", "k", "1");
    REQUIRE_FALSE(bus.publish(first));
    server.freeze();
    test_publish second("orders", "k", "2");
    const auto before = steady::now();
    REQUIRE(bus.get().publish(second, true) == taken::pending);
    CHECK(bus.becomes(link::down, 5s));
    CHECK(steady::now() - before < 3500ms);
    server.thaw();
    CHECK(bus.becomes(link::up));
    CHECK(second.ended.reaches(1));
    CHECK_FALSE(second.ec);
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a cluster that refuses to authenticate is said with cause and cure") {
    transport_options options = options_here(); // its listener wants no credentials
    options.properties["security.protocol"] = "sasl_plaintext";
    options.properties["sasl.mechanism"] = "PLAIN";
    options.properties["sasl.username"] = "ada";
    options.properties["sasl.password"] = "top-secret-password";
    transport_driver bus(kafka(), options);
    REQUIRE_FALSE(bus.start());
    CHECK(bus.get().state().what == link::down);
    CHECK(bus.get().state().detail.find("sasl.mechanism") != std::string::npos);
    CHECK(bus.get().state().detail.find("top-secret") == std::string::npos);
    CHECK_FALSE(bus.stop());
}
