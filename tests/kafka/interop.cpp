#include "kafka_server.hpp"
#include "other_clients.hpp"
#include "plain_client.hpp"
#include "run.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

// cobus beside two clients that others wrote: each reads what the other one wrote.

namespace {

/// Its type is a member, so that it can travel plain too.
struct payment {
    std::string customer, kind;
    std::int64_t cents = 0;

    friend auto operator==(const payment&, const payment&) -> bool = default;
};

} // namespace

template <>
struct cobus::contract<payment> {
    static constexpr auto type = &payment::kind;
    static constexpr std::string_view topic = "payments";
    static constexpr auto types = std::array<std::string_view, 2>{"payment.made", "payment.lost"};
    static constexpr auto key = &payment::customer;
    static constexpr auto fields =
        cobus::fields(field("customer", &payment::customer), field("event_type", &payment::kind),
                      field("cents", &payment::cents));
    using codec = cobus::json_codec;
};

namespace {

using namespace std::chrono_literals;
using cobus::test::foreign_message;
using cobus::test::run;
using cobus::test::until;
using nlohmann::json;
namespace net = cobus::net;

using optional_text = std::optional<std::string>;

/// A topic of this run's own, with four partitions.
auto fresh_topic(const std::string& name) -> std::string {
    const std::string topic = "interop." + name + "." + std::to_string(::getpid());
    cobus::test::plain_create_topic(cobus::test::kafka_brokers(), topic, 4);
    return topic;
}

/// A bus that calls the topic `payments` so.
auto how(const std::string& topic, cobus::wire wire) -> cobus::settings {
    cobus::settings made;
    made.kafka(true)
        .require_kafka()
        .brokers(cobus::test::kafka_brokers())
        .client_id("interop")
        .group_id(topic)
        .wire(wire)
        .topic("payments", topic)
        .property("fetch.wait.max.ms", "10")
        .property("session.timeout.ms", "6000");
    return made;
}

struct sent {
    payment event;
    cobus::receipt where;
};

/// Payments of several customers, one of them with a key that is no ASCII.
auto some_payments() -> std::vector<payment> {
    std::vector<payment> all;
    std::int64_t cents = 0;
    for (const char* customer : {"ada", "grace", "Jürgen ☕", "ada"}) {
        all.push_back(payment{customer, cents % 2 == 0 ? "payment.made" : "payment.lost", cents});
        ++cents;
    }
    return all;
}
auto publish(const std::string& topic, cobus::wire wire, const std::vector<payment>& events)
    -> std::vector<sent> {
    std::vector<sent> all;
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), how(topic, wire), cobus::kafka());
        co_await bus.start();
        for (const payment& event : events) {
            const auto options = cobus::with().header("tenant", "öst").header("empty", "");
            cobus::receipt receipt = co_await bus.publish(event, options);
            CHECK(receipt.way() == cobus::path::kafka);
            CHECK(receipt.topic() == topic);
            all.push_back(sent{event, std::move(receipt)});
        }
        co_await bus.stop();
    });
    return all;
}

/// Reads the topic with both, who have to agree in all, and finds what was sent at its place.
template <class Check>
void both_read(const std::string& topic, const std::vector<sent>& all, Check check) {
    const std::string brokers = cobus::test::kafka_brokers();
    for (const auto& read :
         {cobus::test::kcat(brokers).read(topic), cobus::test::confluent(brokers).read(topic)}) {
        REQUIRE(read.size() == all.size());
        for (const sent& each : all) {
            const auto found = std::ranges::find_if(read, [&each](const foreign_message& message) {
                return message.partition == each.where.partition() &&
                       message.offset == each.where.offset();
            });
            REQUIRE(found != read.end());
            CHECK(found->key == each.event.customer);
            CHECK(found->header("tenant") == "öst");
            CHECK(found->header("empty") == "");
            check(each, *found);
        }
    }
}
auto body_of(const payment& event) -> json {
    return {{"customer", event.customer}, {"event_type", event.kind}, {"cents", event.cents}};
}

} // namespace

TEST_CASE("kcat and confluent-kafka read binary CloudEvents") {
    const std::string topic = fresh_topic("binary");
    const auto all = publish(topic, cobus::wire::binary(), some_payments());
    both_read(topic, all, [](const sent& each, const foreign_message& found) {
        CHECK(json::parse(found.value.value_or("")) == body_of(each.event));
        CHECK(found.header("ce_specversion") == "1.0");
        CHECK(found.header("ce_id") == each.where.id().str());
        CHECK(found.header("ce_source") == "interop");
        CHECK(found.header("ce_type") == each.event.kind);
        CHECK(found.header("content-type") == "application/json");
        CHECK(found.headers.size() == 7);
    });
}

TEST_CASE("kcat and confluent-kafka read structured CloudEvents") {
    const std::string topic = fresh_topic("structured");
    const auto all = publish(topic, cobus::wire::structured(), some_payments());
    both_read(topic, all, [](const sent& each, const foreign_message& found) {
        CHECK(found.header("content-type") == "application/cloudevents+json");
        const json envelope = json::parse(found.value.value_or(""));
        CHECK(envelope.at("specversion") == "1.0");
        CHECK(envelope.at("id") == each.where.id().str());
        CHECK(envelope.at("source") == "interop");
        CHECK(envelope.at("type") == each.event.kind);
        CHECK(envelope.at("datacontenttype") == "application/json");
        CHECK(envelope.at("data") == body_of(each.event));
        CHECK_FALSE(found.header("ce_id"));
    });
}

TEST_CASE("kcat and confluent-kafka read plain messages, which have the headers asked for") {
    const std::string topic = fresh_topic("plain");
    const auto all = publish(topic, cobus::wire::plain("event_type"), some_payments());
    both_read(topic, all, [](const sent& each, const foreign_message& found) {
        CHECK(json::parse(found.value.value_or("")) == body_of(each.event));
        CHECK(found.headers.size() == 2);
    });
}

TEST_CASE("a message without key, one with an empty key and a tombstone look so to others") {
    const std::string topic = fresh_topic("nothing");
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), how(topic, cobus::wire::plain()), cobus::kafka());
        co_await bus.start();
        const auto into_first = cobus::with().partition(0);
        cobus::message no_key(topic, "t", "value");
        co_await bus.publish(std::move(no_key), into_first);
        cobus::message empty_key(topic, "t", "");
        empty_key.key("");
        co_await bus.publish(std::move(empty_key), into_first);
        cobus::message tombstone;
        tombstone.topic(topic);
        tombstone.key("gone");
        tombstone.headers().add_null("nothing");
        co_await bus.publish(std::move(tombstone), into_first);
        co_await bus.stop();
    });
    const std::string brokers = cobus::test::kafka_brokers();
    for (const auto& read :
         {cobus::test::kcat(brokers).read(topic), cobus::test::confluent(brokers).read(topic)}) {
        REQUIRE(read.size() == 3);
        CHECK(read[0].key == std::nullopt);
        CHECK(read[0].value == "value");
        CHECK(read[1].key == "");
        CHECK(read[1].value == "");
        CHECK(read[2].key == "gone");
        CHECK(read[2].value == std::nullopt);
        REQUIRE(read[2].headers.size() == 1);
        CHECK(read[2].headers[0] == std::pair<std::string, optional_text>("nothing", std::nullopt));
    }
}

namespace {

/// What a handler was given, beside the event.
struct handled {
    payment event;
    optional_text key, tenant;
    std::string id, source;
    std::int32_t partition = -1;
};

/// Handles payments until `count` have come.
auto handle(const std::string& topic, cobus::wire wire, std::size_t count) -> std::vector<handled> {
    std::vector<handled> all;
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), how(topic, wire), cobus::kafka());
        auto reader =
            bus.on<payment>("reader", [&](const payment& event, const cobus::context& where) {
                const cobus::message& content = where.content();
                CHECK_FALSE(where.in_process());
                handled made{event, {}, {}, content.id().str(), {}, where.partition()};
                made.source = content.source();
                if (const auto key = content.key()) {
                    made.key = *key;
                }
                if (const auto tenant = content.headers().get("tenant")) {
                    made.tenant = *tenant;
                }
                all.push_back(std::move(made));
            });
        co_await bus.start();
        co_await until([&] { return all.size() >= count; });
        co_await bus.stop();
    });
    return all;
}
auto one(const std::vector<handled>& all, std::int64_t cents) -> const handled& {
    const auto found = std::ranges::find_if(
        all, [cents](const handled& each) { return each.event.cents == cents; });
    REQUIRE(found != all.end());
    return *found;
}

/// A payment as a service in another language writes it.
auto foreign_payment(const payment& event, cobus::wire::mode mode) -> foreign_message {
    foreign_message made{event.customer, body_of(event).dump(), {{"tenant", "öst"}}, -1, -1};
    const std::string id = "id-" + std::to_string(event.cents);
    if (mode == cobus::wire::mode::binary) {
        made.headers.insert(made.headers.end(), {{"ce_specversion", "1.0"},
                                                 {"ce_id", id},
                                                 {"ce_source", "/others"},
                                                 {"ce_type", event.kind},
                                                 {"content-type", "application/json"}});
    } else if (mode == cobus::wire::mode::structured) {
        made.headers.emplace_back("content-type", "application/cloudevents+json; charset=utf-8");
        made.value = json{{"specversion", "1.0"},
                          {"id", id},
                          {"source", "/others"},
                          {"type", event.kind},
                          {"data", body_of(event)}}
                         .dump();
    }
    return made;
}

/// Both write; a handler gets the same events.
void both_write(const std::string& name, cobus::wire wire) {
    const std::string topic = fresh_topic(name);
    const std::string brokers = cobus::test::kafka_brokers();
    const std::vector<payment> events{{"ada", "payment.made", 1},
                                      {"Jürgen ☕", "payment.lost", 2},
                                      {"ada", "payment.of a kind that nobody handles", 3}};
    for (const payment& event : events) {
        cobus::test::kcat(brokers).write(topic, foreign_payment(event, wire.how()));
    }
    std::vector<foreign_message> more;
    for (payment event : events) {
        event.cents += 10;
        more.push_back(foreign_payment(event, wire.how()));
    }
    cobus::test::confluent(brokers).write(topic, more);

    const std::vector<handled> all = handle(topic, wire, 4);
    REQUIRE(all.size() == 4);
    for (const std::int64_t cents : {1, 2, 11, 12}) {
        const handled& found = one(all, cents);
        CAPTURE(cents);
        CHECK(found.event.customer == (cents % 10 == 1 ? "ada" : "Jürgen ☕"));
        CHECK(found.event.kind == (cents % 10 == 1 ? "payment.made" : "payment.lost"));
        CHECK(found.key == found.event.customer);
        CHECK(found.tenant == "öst");
        if (wire.how() != cobus::wire::mode::plain) {
            CHECK(found.id == "id-" + std::to_string(cents));
            CHECK(found.source == "/others");
        }
    }
    // one key, one partition, whoever writes
    const auto ours = publish(topic, wire, {{"ada", "payment.made", 21}});
    CHECK(one(all, 1).partition == ours[0].where.partition());
    CHECK(one(all, 11).partition == ours[0].where.partition());
}

} // namespace

TEST_CASE("a handler gets binary CloudEvents that kcat and confluent-kafka wrote") {
    both_write("write-binary", cobus::wire::binary());
}
TEST_CASE("a handler gets structured CloudEvents that kcat and confluent-kafka wrote") {
    both_write("write-structured", cobus::wire::structured());
}
TEST_CASE("a handler gets plain messages that kcat and confluent-kafka wrote") {
    both_write("write-plain", cobus::wire::plain("event_type"));
}

TEST_CASE("a handler of every message sees others' null keys and tombstones as such") {
    const std::string topic = fresh_topic("write-nothing");
    const std::string brokers = cobus::test::kafka_brokers();
    const foreign_message no_key{std::nullopt, "value", {}, 0, -1};
    const foreign_message tombstone{"gone", std::nullopt, {}, 0, -1};
    const foreign_message empty{"", "", {{"nothing", std::nullopt}}, 0, -1};
    cobus::test::kcat(brokers).write(topic, no_key);
    cobus::test::kcat(brokers).write(topic, tombstone);
    cobus::test::confluent(brokers).write(topic, {no_key, tombstone, empty});

    std::vector<std::pair<optional_text, optional_text>> all;
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), how(topic, cobus::wire::plain()), cobus::kafka());
        auto reader = bus.on_any("reader", {topic}, [&](const cobus::message& content) {
            const auto key = content.key();
            all.emplace_back(key ? optional_text(*key) : std::nullopt,
                             content.is_null() ? std::nullopt : optional_text(content.payload()));
            if (content.headers().size() == 1) {
                CHECK(content.headers().begin()->name == "nothing");
                CHECK(content.headers().begin()->value == std::nullopt);
            }
        });
        co_await bus.start();
        co_await until([&] { return all.size() >= 5; });
        co_await bus.stop();
    });
    const std::pair<optional_text, optional_text> first{std::nullopt, "value"};
    const std::pair<optional_text, optional_text> second{"gone", std::nullopt};
    const std::pair<optional_text, optional_text> last{"", ""};
    std::vector<std::pair<optional_text, optional_text>> wanted{first, second, first, second, last};
    CHECK(std::ranges::is_permutation(all, wanted)); // keys differ, so their order is free
}

namespace {

/// What is no payment goes to the dead letter topic as it is; those behind it are handled.
void undecodable(const std::string& name, cobus::wire wire, const foreign_message& broken) {
    const std::string topic = fresh_topic(name);
    const std::string brokers = cobus::test::kafka_brokers();
    const cobus::test::kcat writer(brokers);
    writer.write(topic, foreign_payment({"ada", "payment.made", 1}, wire.how()));
    writer.write(topic, broken);
    writer.write(topic, foreign_payment({"ada", "payment.made", 2}, wire.how()));
    CHECK(handle(topic, wire, 2).size() == 2);

    const auto letters = cobus::test::plain_consume(brokers, "dlq." + topic, 1);
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].payload == broken.value);
    CHECK(letters[0].key == broken.key);
    std::map<std::string, std::string> headers(letters[0].headers.begin(),
                                               letters[0].headers.end());
    for (const auto& [header, value] : broken.headers) {
        CAPTURE(header);
        CHECK(headers[header] == value);
    }
    CHECK(headers["cobus-dlq-topic"] == topic);
    CHECK(headers["cobus-dlq-offset"] == "1");
    CHECK(headers["cobus-dlq-group"] == topic);
    CHECK(headers["cobus-dlq-handler"] == "reader");
    CHECK(headers["cobus-dlq-attempts"] == "1");
    CHECK_FALSE(headers["cobus-dlq-reason"].empty());

    // committed past all of it: the next bus of this group goes on behind
    writer.write(topic, foreign_payment({"ada", "payment.made", 3}, wire.how()));
    const auto later = handle(topic, wire, 1);
    REQUIRE(later.size() == 1);
    CHECK(later[0].event.cents == 3);
}

} // namespace

TEST_CASE("a binary message that cannot be decoded is a dead letter and holds nothing back") {
    foreign_message broken = foreign_payment({"ada", "payment.made", 9}, cobus::wire::mode::binary);
    broken.value = std::string("{\"customer\": \xff\xfe\x01 no JSON");
    undecodable("broken-binary", cobus::wire::binary(), broken);
}
TEST_CASE("a plain message that is no JSON is a dead letter and holds nothing back") {
    foreign_message broken = foreign_payment({"ada", "payment.made", 9}, cobus::wire::mode::plain);
    broken.value = std::string("\xff\xfe\x01 no JSON");
    undecodable("broken-plain", cobus::wire::plain("event_type"), broken);
}
TEST_CASE("a structured message whose data are none of its type's is a dead letter") {
    foreign_message broken =
        foreign_payment({"ada", "payment.made", 9}, cobus::wire::mode::structured);
    broken.value = R"({"specversion":"1.0","id":"9","source":"/o","type":"payment.made","data":7})";
    undecodable("broken-structured", cobus::wire::structured(), broken);
}
