#include "kafka_server.hpp"
#include "plain_client.hpp"
#include "printed.hpp"
#include "quiet.hpp"
#include "run.hpp"

#include <cobus/cobus.hpp>
#include <cobus/codec/iso_time.hpp>
#include <cobus/degrade/mark.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>

#include <asio/io_context.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The program that says where a group stands and sets it back, on a real Kafka.

namespace {

struct counted {
    int number = 0;
};

} // namespace

template <> struct cobus::contract<counted> {
    static constexpr std::string_view type = "counted", topic = "counted";
    static constexpr auto fields = cobus::fields(field("number", &counted::number));
    using codec = cobus::json_codec;
};

namespace {

using namespace std::chrono_literals;
using cobus::test::kafka_brokers;
using cobus::test::plain_client;
using cobus::test::plain_create_topic;
using cobus::test::plain_message;
using cobus::test::printed;
using cobus::test::run;
using cobus::test::until;
using wall = std::chrono::system_clock;
namespace net = cobus::net;

[[nodiscard]] auto program(const std::string& group, const std::vector<std::string>& arguments)
    -> printed {
    std::vector<std::string> all{"env",
                                 "KAFKA_ENABLED=true",
                                 "KAFKA_BROKERS=" + kafka_brokers(),
                                 "KAFKA_GROUP_ID=" + group,
                                 "sh",
                                 "-c",
                                 "exec \"$0\" \"$@\" 2>&1",
                                 OFFSETS_PROGRAM};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return cobus::test::run_program(all);
}

/// As a member would, with an offset map or the like.
void commit(const std::string& group, const std::string& topic, int partition, std::int64_t offset,
            std::string_view metadata) {
    const plain_client client(RD_KAFKA_CONSUMER, kafka_brokers(), {{"group.id", group}});
    const std::unique_ptr<rd_kafka_topic_partition_list_t,
                          decltype(&rd_kafka_topic_partition_list_destroy)>
        list(rd_kafka_topic_partition_list_new(1), rd_kafka_topic_partition_list_destroy);
    auto* const only = rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
    only->offset = offset;
    only->metadata = std::malloc(metadata.size()); // the list frees it
    REQUIRE(only->metadata != nullptr);
    std::memcpy(only->metadata, metadata.data(), metadata.size());
    only->metadata_size = metadata.size();
    cobus::test::plain_check(rd_kafka_commit(client.native(), list.get(), 0), "commit");
}

/// "offset metadata"
[[nodiscard]] auto committed(const std::string& group, const std::string& topic, int partition)
    -> std::string {
    const auto found = cobus::test::plain_committed(kafka_brokers(), group, topic, partition);
    return std::to_string(found.offset) + " " + found.metadata;
}

[[nodiscard]] auto mark(wall::time_point end, const std::string& group,
                        const std::vector<std::string>& handlers) -> std::string {
    return cobus::degrade::write_mark(end, group, handlers);
}

[[nodiscard]] auto iso(wall::time_point time) -> std::string {
    std::array<char, cobus::detail::iso_time_size> text{};
    return {text.data(), cobus::detail::put_iso_time(time, text.data())};
}

[[nodiscard]] auto event(int number, const std::string& mark, int partition = 0) -> plain_message {
    plain_message made;
    made.payload = "{\"number\":" + std::to_string(number) + "}";
    made.partition = partition;
    if (!mark.empty()) {
        made.headers = {{"cobus-done", mark}};
    }
    return made;
}

/// A service of a group, whose handler "charge" hears a topic.
struct service {
    std::string group, topic;

    /// What the handler gets up to that number, and then `then`.
    template <class Then>
    [[nodiscard]] auto handle(int last, bool honours_marks, Then then) const -> std::vector<int> {
        net::io_context context;
        std::vector<int> got;
        run(context, [&]() -> net::awaitable<void> {
            cobus::settings how = cobus::test::quiet();
            how.kafka(true).brokers(kafka_brokers()).group_id(group).topic("counted", topic);
            how.wire(cobus::wire::plain()).honour_marks(honours_marks);
            cobus::bus bus(context.get_executor(), std::move(how), cobus::over(cobus::kafka()));
            auto charge =
                bus.on<counted>("charge", [&](const counted& each) { got.push_back(each.number); });
            co_await bus.start();
            co_await until([&] { return !got.empty() && got.back() == last; });
            then();
            co_await bus.stop();
        });
        return got;
    }
    [[nodiscard]] auto handle(int last, bool honours_marks) const -> std::vector<int> {
        return handle(last, honours_marks, [] {});
    }
};

} // namespace

TEST_CASE("a group that is set back is warned of what its handlers skip there") {
    const service billing{"offsets-billing", "offsets-marked"};
    plain_create_topic(kafka_brokers(), billing.topic, 1);
    const wall::time_point end = std::chrono::floor<std::chrono::seconds>(wall::now() + 20h);
    cobus::test::plain_produce(kafka_brokers(), billing.topic,
                               {event(0, ""), event(1, mark(end - 1h, billing.group, {"charge"})),
                                event(2, mark(wall::now() - 1h, billing.group, {"charge"})),
                                event(3, mark(end + 2h, "offsets-shipping", {"charge"})),
                                event(4, mark(end, billing.group, {"charge", "audit"})),
                                event(5, "")});
    CHECK(billing.handle(5, true) == std::vector<int>{0, 2, 3, 5});

    const std::string place = billing.topic + "/0";
    const printed shown = program(billing.group, {"show"});
    CHECK(shown.code == 0);
    CHECK(shown.text ==
          billing.group + ": 0 members\n" + place + "  committed 6  begins 0  ends 6  lag 0\n");

    const std::string warning = "Warning: 2 messages ";
    const std::string each =
        "  1 of offsets-billing/audit\n  2 of offsets-billing/charge\nStart the service with "
        "COBUS_HONOUR_MARKS=false until it has caught up, or wait until the last mark ends at " +
        iso(end) + ".\n";
    const printed tried =
        program(billing.group, {"reset", billing.topic, "--to", "earliest", "--dry-run"});
    CHECK(tried.code == 0);
    CHECK(tried.has(place + ": from 6 to 0\n" + warning));
    CHECK(tried.has(each + "1 partition of offsets-billing would be set\n"));
    CHECK(committed(billing.group, billing.topic, 0) == "6 ");

    const printed done = program(billing.group, {"reset", billing.topic, "--to", "earliest"});
    CHECK(done.code == 0);
    CHECK(done.has(place + ": from 6 to 0\n" + warning));
    CHECK(done.has(each + "1 partition of offsets-billing set\n"));
    CHECK(committed(billing.group, billing.topic, 0) == "0 ");
    CHECK(program(billing.group, {"show", billing.topic})
              .has("committed 0  begins 0  ends 6  lag 6"));

    // The warning is right, and so is its cure.
    CHECK(billing.handle(5, true) == std::vector<int>{0, 2, 3, 5});
    CHECK(program(billing.group, {"reset", billing.topic, "--to", "earliest"}).code == 0);
    CHECK(billing.handle(5, false) == std::vector<int>{0, 1, 2, 3, 4, 5});

    const printed forth = program(billing.group, {"reset", billing.topic, "--to", "latest"});
    CHECK(forth.code == 0);
    CHECK(forth.text == place + ": from 6 to 6\n1 partition of offsets-billing set\n");
}

TEST_CASE("what is not handled yet counts as well: who goes back builds anew") {
    const std::string group = "offsets-behind";
    const std::string topic = "offsets-behind";
    plain_create_topic(kafka_brokers(), topic, 1);
    const std::string valid = mark(wall::now() + 1h, group, {"charge"});
    cobus::test::plain_produce(kafka_brokers(), topic,
                               {event(0, valid), event(1, ""), event(2, valid)});
    commit(group, topic, 0, 2, "");
    CHECK(program(group, {"reset", topic, "--to", "earliest", "--dry-run"}).has("2 messages"));
    CHECK_FALSE(program(group, {"reset", topic, "--to", "latest", "--dry-run"}).has("Warning"));
}

TEST_CASE("a group with members is not set") {
    const service billing{"offsets-members", "offsets-members"};
    plain_create_topic(kafka_brokers(), billing.topic, 1);
    cobus::test::plain_produce(kafka_brokers(), billing.topic, {event(0, ""), event(1, "")});
    const std::vector<std::string> back{"reset", billing.topic, "--to", "earliest"};
    const auto got = billing.handle(1, true, [&] {
        CHECK(program(billing.group, {"show", billing.topic}).has(": 1 member\n"));
        const printed refused = program(billing.group, back);
        CHECK(refused.code == 1);
        CHECK(refused.has("offsets: the group offsets-members has members, which would commit "
                          "over this: stop its services first"));
        const printed tried =
            program(billing.group, {"reset", billing.topic, "--to", "earliest", "--dry-run"});
        CHECK(tried.code == 0);
        CHECK(tried.has("Not now: the group offsets-members has members"));
        CHECK(tried.has("would be set"));
    });
    CHECK(got == std::vector<int>{0, 1});
    CHECK(committed(billing.group, billing.topic, 0) == "2 ");
    CHECK(program(billing.group, back).code == 0);
    CHECK(committed(billing.group, billing.topic, 0) == "0 ");
}

TEST_CASE("one partition is set, to a time, without what stood beside its old position") {
    const std::string group = "offsets-time";
    const std::string topic = "offsets-time";
    plain_create_topic(kafka_brokers(), topic, 2);
    const wall::time_point now = wall::now();
    std::vector<plain_message> all;
    for (int i = 0; i < 6; ++i) {
        all.push_back(event(i, "", i / 3));
        const auto written = now - std::chrono::hours(3 - i % 3);
        all.back().timestamp =
            std::chrono::duration_cast<std::chrono::milliseconds>(written.time_since_epoch())
                .count();
    }
    cobus::test::plain_produce(kafka_brokers(), topic, all);
    commit(group, topic, 0, 2, "a map");
    commit(group, topic, 1, 3, "a map");
    CHECK(committed(group, topic, 1) == "3 a map");

    const std::string middle = iso(now - 2h - 30min);
    const printed one =
        program("another", {"reset", "--group", group, topic, "--to", middle, "--partition", "1"});
    CHECK(one.code == 0);
    CHECK(one.text == topic + "/1: from 3 to 1\n1 partition of offsets-time set\n");
    CHECK(committed(group, topic, 0) == "2 a map");
    CHECK(committed(group, topic, 1) == "1 ");

    CHECK(program(group, {"reset", topic, "--to", iso(now + 1h)}).has("/0: from 2 to 3\n"));
    CHECK(committed(group, topic, 0) == "3 ");
    CHECK(committed(group, topic, 1) == "3 ");
}

TEST_CASE("what is wrong is said in words") {
    const std::string group = "offsets-wrong";
    const std::string topic = "offsets-wrong";
    plain_create_topic(kafka_brokers(), topic, 1);
    commit(group, topic, 0, 0, "");
    const auto fails = [](const printed& out, const std::string& text) {
        INFO(out.text);
        CHECK(out.code != 0);
        CHECK(out.has(text));
    };
    const auto reset = [&](const std::string& of, const std::string& to) {
        return program(group, {"reset", of, "--to", to});
    };
    fails(reset("offsets-no-such", "earliest"), "offsets: Kafka has no topic offsets-no-such\n");
    fails(program(group, {"show", "offsets-no-such"}), "Kafka has no topic offsets-no-such");
    fails(program("offsets-nobody", {"show"}), "offsets: Kafka knows no group offsets-nobody");
    fails(program("offsets-nobody", {"reset", topic, "--to", "earliest"}), "Kafka knows no group");
    fails(reset(topic, "yesterday"), "'yesterday' is neither earliest, latest nor a time in UTC");
    fails(reset(topic, "2026-02-30"), "'2026-02-30' is neither");
    fails(program(group, {"reset", topic, "--to", "earliest", "--partition", "7"}),
          "offsets: offsets-wrong has no partition 7\n");
    fails(program(group, {"reset", "--to", "earliest"}), "TOPIC is required");
}
