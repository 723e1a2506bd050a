#include "kafka_server.hpp"
#include "plain_client.hpp"
#include "printed.hpp"
#include "quiet.hpp"
#include "run.hpp"
#include "temporary_folder.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>

#include <asio/io_context.hpp>

#include <functional>
#include <string>
#include <utility>
#include <vector>

// Dead letters on a real Kafka, and the program that works on them.

namespace {

struct placed {
    std::string order;
    int number = 0;
    std::string note;
};

} // namespace

template <> struct cobus::contract<placed> {
    static constexpr std::string_view type = "order.placed", topic = "placed";
    static constexpr auto key = &placed::order;
    static constexpr auto fields =
        cobus::fields(field("order", &placed::order), field("number", &placed::number),
                      field("note", &placed::note));
    using codec = cobus::json_codec;
};

namespace {

using cobus::test::kafka_brokers;
using cobus::test::plain_create_topic;
using cobus::test::run;
using cobus::test::until;
namespace net = cobus::net;

/// A service with one topic of its own.
struct service {
    std::string topic;

    [[nodiscard]] auto settings() const -> cobus::settings {
        cobus::settings how = cobus::test::quiet();
        how.kafka(true).brokers(kafka_brokers()).group_id("billing").topic("placed", topic);
        return how;
    }
    /// Publishes these, with a handler that gives up on all of them.
    void fail(const std::vector<placed>& events, const std::string& park = "") const {
        net::io_context context;
        std::size_t failed = 0;
        run(context, [&]() -> net::awaitable<void> {
            cobus::settings how = settings();
            how.park_dead_letters(park);
            cobus::bus bus(context.get_executor(), std::move(how), cobus::over(cobus::kafka()));
            auto charge = bus.on<placed>("charge", [&](const placed&) {
                ++failed;
                return cobus::outcome::dead_letter("the card was refused");
            });
            co_await bus.start();
            for (const placed& each : events) {
                co_await bus.publish(each);
            }
            co_await until([&] { return failed == events.size(); });
            co_await bus.stop();
        });
    }
    /// What the handlers of a mended service get.
    [[nodiscard]] auto handle(std::size_t count) const -> std::vector<placed> {
        net::io_context context;
        std::vector<placed> got;
        run(context, [&]() -> net::awaitable<void> {
            cobus::bus bus(context.get_executor(), settings(), cobus::over(cobus::kafka()));
            auto charge = bus.on<placed>("charge", [&](const placed& event, cobus::context& where) {
                CHECK(where.content().headers().get("cobus-replays") == "1");
                CHECK_FALSE(where.content().headers().get("cobus-dlq-reason"));
                got.push_back(event);
            });
            auto audit = bus.on<placed>("audit", [](const placed& event) {
                FAIL("a replay for another handler: " << event.order);
            });
            co_await bus.start();
            co_await until([&] { return got.size() == count; });
            co_await bus.stop();
        });
        return got;
    }
};

/// What the program prints.
[[nodiscard]] auto program(const std::vector<std::string>& arguments) -> std::string {
    std::vector<std::string> all{"env", "KAFKA_ENABLED=true", "KAFKA_BROKERS=" + kafka_brokers(),
                                 DEAD_LETTERS_PROGRAM};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const cobus::test::printed out = cobus::test::run_program(all);
    CHECK(out.code == 0);
    return out.text;
}

constexpr const char* oldest_message = "message.timestamp.before.max.ms";

[[nodiscard]] auto has(const std::string& text, const std::string& part) -> bool {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("dead letters are listed, and replayed once, to the handler that gave up") {
    const service orders{"dead-letters-replayed"};
    plain_create_topic(kafka_brokers(), orders.topic, 2);
    orders.fail({{"o-1", 1, ""}, {"o-1", 2, ""}, {"o-2", 3, "späte Zahlung"}});

    CHECK(has(program({"count", orders.topic}), "dlq." + orders.topic + ": 3, the oldest"));
    CHECK(has(program({"count", orders.topic}), "3 order.placed of billing/charge"));
    CHECK(has(program({"show", orders.topic}), "späte Zahlung"));
    CHECK(program({"list", orders.topic, "--error", "no such text"}).empty());
    CHECK(has(program({"list", orders.topic, "--handler", "charge"}), "the card was refused"));
    CHECK(has(program({"replay", orders.topic, "--dry-run"}), "3 would be replayed, 0 stay"));
    CHECK(has(program({"replay", orders.topic}), "3 replayed, 0 stay"));

    const std::vector<placed> got = orders.handle(3);
    std::vector<int> first_order;
    for (const placed& each : got) {
        if (each.order == "o-1") {
            first_order.push_back(each.number);
        } else {
            CHECK(each.note == "späte Zahlung");
        }
    }
    CHECK(first_order == std::vector<int>{1, 2});
    CHECK(has(program({"count", orders.topic}), "dlq." + orders.topic + ": 0\n"));
    CHECK(has(program({"replay", orders.topic}), "0 replayed, 0 stay"));
}

TEST_CASE("letters that were discarded are not listed any more, the others stay") {
    const service orders{"dead-letters-discarded"};
    plain_create_topic(kafka_brokers(), orders.topic, 1);
    orders.fail({{"o-1", 1, ""}, {"o-2", 2, ""}});
    const std::string all = program({"list", orders.topic});
    const std::string first = all.substr(0, all.find(' '));
    CHECK(has(program({"discard", orders.topic, "--at", first}), "1 discarded"));
    const std::string left = program({"list", orders.topic});
    CHECK_FALSE(has(left, first));
    CHECK(has(left, "order.placed"));
}

TEST_CASE(
    "a message that its dead letter topic does not take whole is replayed from where it lies") {
    const service orders{"dead-letters-too-large"};
    plain_create_topic(kafka_brokers(), orders.topic, 1);
    plain_create_topic(kafka_brokers(), "dlq." + orders.topic, 1, 1,
                       {{"max.message.bytes", "1500"}});
    const std::string note(4000, 'x');
    orders.fail({{"o-1", 1, note}});
    const std::string shown = program({"show", orders.topic});
    CHECK(has(shown, "cobus-dlq-payload: left out: too large"));
    CHECK(has(shown, "payload  (none)"));
    CHECK(has(program({"replay", orders.topic}), "1 replayed, 0 stay"));
    const std::vector<placed> got = orders.handle(1);
    CHECK(got.at(0).note == note);
}

TEST_CASE("letters that were parked in a file are sent to their topic once, and replayed from it") {
    const service orders{"dead-letters-parked"};
    const std::string dead = "dlq." + orders.topic;
    plain_create_topic(kafka_brokers(), orders.topic, 1);
    plain_create_topic(kafka_brokers(), dead, 1, 1, {{oldest_message, "0"}}); // refuses all
    const cobus::test::temporary_folder folder;
    const std::string file = (folder.path() / "parked.jsonl").string();
    orders.fail({{"o-1", 1, ""}, {"o-1", 2, ""}, {"o-2", 3, "späte Zahlung"}}, file);
    CHECK(has(program({"count", orders.topic}), dead + ": 0\n"));

    cobus::test::plain_configure_topic(kafka_brokers(), dead, {{oldest_message, "3600000"}});
    CHECK(has(program({"unpark", file, "--dry-run"}), "3 would be sent, 0 were there, 0 stay"));
    CHECK(has(program({"unpark", file}), "3 sent, 0 were there, 0 stay"));
    CHECK(has(program({"unpark", file}), "0 sent, 3 were there, 0 stay"));
    CHECK(has(program({"show", orders.topic}), "späte Zahlung"));
    CHECK(has(program({"replay", orders.topic, "--type", "order.placed"}), "3 replayed, 0 stay"));
    const std::vector<placed> got = orders.handle(3);
    std::vector<int> numbers;
    for (const placed& each : got) {
        if (each.order == "o-1") {
            numbers.push_back(each.number);
        }
    }
    CHECK(numbers == std::vector<int>{1, 2});
    CHECK(has(program({"unpark", file}), "0 sent, 3 were there, 0 stay"));
}
