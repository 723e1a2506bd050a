#include "../support/mock_scene.hpp"

#include <cobus/json.hpp>

#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace cobus;
using namespace cobus::test;

namespace {

struct ordered {
    std::string id;
    int amount = 0;
};
struct enveloped {
    std::string id;
};
struct bare {
    std::string id;
    std::string event_type;
};
struct unreadable { // no codec
    std::string id;
};

/// A publish of a typed event.
template <class E>
struct typed_publish : test_publish {
    explicit typed_publish(E event) : test_publish("orders", "key", "") {
        content->no_payload();
        content->type(contract<E>::type);
        content->adopt(cobus::detail::make_box<E>(std::move(event)));
        partition = 0;
    }
};

/// What librdkafka itself reads at an offset of partition 0.
struct raw_message {
    std::string payload;
    std::vector<std::pair<std::string, std::string>> headers;
};

auto read_raw(const std::string& brokers, std::int64_t offset) -> raw_message {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), nullptr, 0);
    rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", nullptr, 0);
    rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, nullptr, 0);
    rd_kafka_topic_t* topic = rd_kafka_topic_new(client, "orders", nullptr);
    rd_kafka_consume_start(topic, 0, offset);
    raw_message made;
    rd_kafka_message_t* got = rd_kafka_consume(topic, 0, 10000);
    REQUIRE(got != nullptr);
    REQUIRE(got->err == RD_KAFKA_RESP_ERR_NO_ERROR);
    made.payload.assign(static_cast<const char*>(got->payload), got->len);
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(got, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char* name = nullptr;
        const void* value = nullptr;
        std::size_t size = 0;
        for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == 0;
             ++i) {
            made.headers.emplace_back(name, std::string(static_cast<const char*>(value), size));
        }
    }
    rd_kafka_message_destroy(got);
    rd_kafka_consume_stop(topic, 0);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
    return made;
}

auto value_of(const raw_message& from, const std::string& name) -> std::string {
    for (const auto& [key, value] : from.headers) {
        if (key == name) {
            return value;
        }
    }
    return "none";
}

} // namespace

template <>
struct cobus::contract<ordered> {
    static constexpr std::string_view type = "order.placed", topic = "orders";
    static constexpr auto fields =
        cobus::fields(field("id", &ordered::id), field("amount", &ordered::amount));
    using codec = json_codec;
};
template <>
struct cobus::contract<enveloped> {
    static constexpr std::string_view type = "order.enveloped", topic = "orders";
    static constexpr auto wire = cobus::wire::structured();
    static constexpr auto fields = cobus::fields(field("id", &enveloped::id));
    using codec = json_codec;
};
template <>
struct cobus::contract<bare> {
    static constexpr std::string_view type = "order.bare", topic = "orders";
    static constexpr auto wire = cobus::wire::plain("event_type");
    static constexpr auto fields =
        cobus::fields(field("id", &bare::id), field("event_type", &bare::event_type));
    using codec = json_codec;
};
template <>
struct cobus::contract<unreadable> {
    static constexpr std::string_view type = "order.unreadable", topic = "orders";
};

TEST_CASE("in binary mode attributes are headers and the payload is as it is") {
    scene here(1);
    typed_publish<ordered> node({"o-1", 7});
    node.content->headers().add("traceparent", "00-1-2-03");
    REQUIRE_FALSE(here.bus->publish(node));
    const raw_message raw = read_raw(here.cluster.brokers(), 0);
    CHECK(raw.payload == R"({"id":"o-1","amount":7})");
    CHECK(value_of(raw, "ce_specversion") == "1.0");
    CHECK(value_of(raw, "ce_id") == node.content->id().str());
    CHECK(value_of(raw, "ce_type") == "order.placed");
    CHECK(value_of(raw, "ce_source") == "/cobus");
    CHECK(value_of(raw, "content-type") == "application/json");
    CHECK(value_of(raw, "traceparent") == "00-1-2-03");
    CHECK(raw.headers.size() == 6);
}

TEST_CASE("in structured mode everything is in the body") {
    scene here(1);
    typed_publish<enveloped> node({"o-1"});
    REQUIRE_FALSE(here.bus->publish(node));
    const raw_message raw = read_raw(here.cluster.brokers(), 0);
    CHECK(raw.headers.size() == 1);
    CHECK(value_of(raw, "content-type") == "application/cloudevents+json");
    CHECK(raw.payload.find(R"("specversion":"1.0")") != std::string::npos);
    CHECK(raw.payload.find(R"("type":"order.enveloped")") != std::string::npos);
    CHECK(raw.payload.find(R"("data":{"id":"o-1"})") != std::string::npos);
}

TEST_CASE("in plain mode nobody gets a header that nobody asked for") {
    scene here(1);
    typed_publish<bare> node({"o-1", "order.bare"});
    REQUIRE_FALSE(here.bus->publish(node));
    typed_publish<bare> with({"o-2", "order.bare"});
    with.content->headers().add("mine", "1");
    REQUIRE_FALSE(here.bus->publish(with));
    const raw_message raw = read_raw(here.cluster.brokers(), 0);
    CHECK(raw.headers.empty());
    CHECK(raw.payload == R"({"id":"o-1","event_type":"order.bare"})");
    const raw_message second = read_raw(here.cluster.brokers(), 1);
    CHECK(second.headers.size() == 1);
    CHECK(value_of(second, "mine") == "1");
}

TEST_CASE("an event that cannot be encoded is its publisher's error") {
    scene here(1);
    typed_publish<unreadable> node({"o-1"});
    CHECK(here.bus->publish(node) == errc::no_codec);
    typed_publish<ordered> invalid({"\xff\xfe", 1}); // no UTF-8
    CHECK(here.bus->publish(invalid) == errc::not_encodable);
}

TEST_CASE("an envelope that is passed on is not put into another") {
    scene here(1);
    test_publish node("orders", "k", R"({"specversion":"1.0","id":"1","source":"/x","type":"t"})");
    node.content->headers().add("content-type", "application/cloudevents+json; charset=utf-8");
    REQUIRE_FALSE(here.bus->publish(node));
    const raw_message raw = read_raw(here.cluster.brokers(), 0);
    CHECK(raw.headers.size() == 1);
    CHECK(raw.payload == node.content->payload());
}
