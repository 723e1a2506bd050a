#include "mock_cluster.hpp"
#include "quiet.hpp"
#include "run.hpp"
#include "temporary_folder.hpp"

#include <cobus/json.hpp>
#include <cobus/kafka.hpp>
#include <cobus/sqlite.hpp>

#include <asio/thread_pool.hpp>
#include <doctest/doctest.h>
#include <sqlite3.h>

#include <chrono>
#include <map>
#include <string>
#include <string_view>

// What comes out of an outbox looks on Kafka as its contract says, whoever relays it.

namespace outbox_on_kafka {

template <int Kind> struct note {
    std::string text;
};
template <int Kind> struct note_contract {
    static constexpr std::string_view topic = "notes";
    static constexpr bool outbox = true;
    static constexpr auto key = &note<Kind>::text;
    static constexpr auto fields = cobus::fields(cobus::field("text", &note<Kind>::text));
    using codec = cobus::json_codec;
};
using plain = note<0>;
using binary = note<1>;
using structured = note<2>;

struct seen {
    std::string id;
    std::string type;
    std::string payload;
    bool in_envelope = false;
};

} // namespace outbox_on_kafka

template <>
struct cobus::contract<outbox_on_kafka::plain> : outbox_on_kafka::note_contract<0> {
    static constexpr std::string_view type = "plain", topic = "plain-notes";
    static constexpr auto wire = cobus::wire::plain();
};
template <>
struct cobus::contract<outbox_on_kafka::binary> : outbox_on_kafka::note_contract<1> {
    static constexpr std::string_view type = "binary";
    static constexpr auto wire = cobus::wire::binary();
};
template <>
struct cobus::contract<outbox_on_kafka::structured> : outbox_on_kafka::note_contract<2> {
    static constexpr std::string_view type = "structured";
    static constexpr auto wire = cobus::wire::structured();
};

TEST_CASE(
    "a relayed event looks on Kafka as its contract says, and its row goes when Kafka has it") {
    namespace net = cobus::net;
    cobus::test::mock_cluster cluster;
    cluster.create_topic("notes", 1);
    cluster.create_topic("plain-notes", 1);
    const cobus::test::temporary_folder folder;
    const std::string path = (folder.path() / "shop.db").string();
    sqlite3* connection = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &connection) == SQLITE_OK);
    sqlite3_busy_timeout(connection, 10'000);
    cobus::outbox::create_tables(connection);
    asio::thread_pool blocking(1);
    net::io_context context;
    std::map<std::string, outbox_on_kafka::seen> all; // by text
    std::map<std::string, std::string> ids;
    cobus::test::run(context, [&]() -> net::awaitable<void> {
        cobus::settings how = cobus::test::quiet();
        how.kafka(true).brokers(cluster.brokers()).group_id("readers");
        cobus::bus bus(context.get_executor(), how, cobus::kafka());
        const std::vector<std::string> topics{"notes", "plain-notes"};
        auto reader = bus.on_any("reader", topics, [&](const cobus::message& content) {
            const std::string key(content.key().value_or(""));
            all[key] = {content.id().empty() ? "" : content.id().str(), std::string(content.type()),
                        std::string(content.payload()), !content.envelope().empty()};
        });
        // Whose codec takes envelopes apart.
        auto typed =
            bus.on<outbox_on_kafka::structured>("typed", [](const outbox_on_kafka::structured&) {});
        co_await bus.start();
        cobus::outbox outbox(bus, cobus::sqlite_outbox(path), blocking.get_executor());
        outbox.start();
        ids["p"] = outbox.add(connection, outbox_on_kafka::plain{"p"}).str();
        ids["b"] = outbox.add(connection, outbox_on_kafka::binary{"b"}).str();
        ids["s"] = outbox.add(connection, outbox_on_kafka::structured{"s"}).str();
        outbox.committed();
        co_await cobus::test::until([&] { return all.size() == 3; });
        co_await cobus::test::until([&] { return cobus::outbox::count(connection).waiting == 0; });
        co_await outbox.stop();
        co_await bus.stop();
    });
    sqlite3_close(connection);
    CHECK(all["p"].id.empty()); // plain: nothing but the payload
    CHECK(all["p"].type.empty());
    CHECK(all["b"].id == ids["b"]);
    CHECK(all["b"].type == "binary");
    CHECK_FALSE(all["b"].in_envelope);
    CHECK(all["b"].payload == R"({"text":"b"})");
    CHECK(all["s"].id == ids["s"]);
    CHECK(all["s"].type == "structured");
    CHECK(all["s"].in_envelope);
    CHECK(all["s"].payload == R"({"text":"s"})");
}
