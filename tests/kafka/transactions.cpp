#include "../support/kafka_options.hpp"
#include "../support/kafka_server.hpp"
#include "../support/plain_client.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/kafka.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

// Fencing: what an earlier client of a transactional id still has on its way is refused.

namespace fencing_test {

using namespace cobus;
using namespace cobus::test;

auto with_id(const std::string& id) -> transport_options {
    transport_options options = quick_kafka(kafka_brokers());
    options.properties["transactional.id"] = id;
    return options;
}

auto payloads(const std::string& topic, std::size_t count) -> std::vector<std::string> {
    std::vector<std::string> found;
    for (const auto& each : plain_consume(kafka_brokers(), topic, count)) {
        found.push_back(each.payload);
    }
    return found;
}

/// Another client of the id, with a transaction open. What it sends from then on comes late.
class former_client {
public:
    former_client(const std::string& id, std::string topic)
        : topic_(std::move(topic)),
          client_(RD_KAFKA_PRODUCER, kafka_brokers(), {{"transactional.id", id}}, &told, this) {
        plain_check(rd_kafka_init_transactions(client_.native(), limit), "transaction");
        plain_check(rd_kafka_begin_transaction(client_.native()), "transaction");
    }
    /// What became of it.
    auto send_late(const std::string& payload) -> rd_kafka_resp_err_t {
        plain_message late;
        late.payload = payload;
        late.key = "key";
        plain_detail::enqueue(client_.native(), topic_, late);
        plain_check(rd_kafka_flush(client_.native(), limit), "flush");
        return last_;
    }

private:
    static constexpr int limit = 30'000;

    static void told(rd_kafka_t* /*client*/, const rd_kafka_message_t* report, void* self) {
        static_cast<former_client*>(self)->last_ = report->err;
    }

    std::string topic_;
    rd_kafka_resp_err_t last_ = RD_KAFKA_RESP_ERR_NO_ERROR;
    plain_client client_;
};

} // namespace fencing_test

TEST_CASE("a late copy from before a restart lands behind newer events, and not with an id") {
    using namespace fencing_test;
    const std::string topic = unique("late");
    plain_create_topic(kafka_brokers(), topic, 1, 1, {{"cleanup.policy", "compact"}});
    const std::string id = unique("id");

    SUBCASE("the same id") {
        former_client before(id, topic);
        transport_driver now(kafka(), with_id(id));
        REQUIRE_FALSE(now.start());
        test_publish newer(topic, "key", "newer");
        REQUIRE_FALSE(now.publish(newer));
        CHECK(before.send_late("older") != RD_KAFKA_RESP_ERR_NO_ERROR);
        test_publish last(topic, "key", "last");
        REQUIRE_FALSE(now.publish(last));
        CHECK(payloads(topic, 2) == std::vector<std::string>{"newer", "last"});
        CHECK_FALSE(now.stop());
    }
    SUBCASE("none") { // why there is such an id
        transport_driver now(kafka(), quick_kafka(kafka_brokers()));
        REQUIRE_FALSE(now.start());
        test_publish newer(topic, "key", "newer");
        REQUIRE_FALSE(now.publish(newer));
        plain_message late;
        late.payload = "older";
        late.key = "key";
        plain_produce(kafka_brokers(), topic, {late});
        CHECK(payloads(topic, 2) == std::vector<std::string>{"newer", "older"});
        CHECK_FALSE(now.stop());
    }
}

TEST_CASE("a bus ends the publishing of another with its id, and says so there") {
    using namespace fencing_test;
    const std::string topic = unique("fenced");
    plain_create_topic(kafka_brokers(), topic, 1);
    const std::string id = unique("id");
    transport_driver before(kafka(), with_id(id));
    REQUIRE_FALSE(before.start());
    test_publish first(topic, "key", "first");
    REQUIRE_FALSE(before.publish(first));

    transport_driver now(kafka(), with_id(id));
    REQUIRE_FALSE(now.start());
    test_publish second(topic, "key", "second");
    REQUIRE_FALSE(now.publish(second));

    test_publish refused(topic, "key", "refused");
    refused.when_away = policy::spool;
    CHECK(before.publish(refused) == condition::fatal);
    const link_state state = before.get().state();
    CHECK(state.what == link::failed);
    CHECK(state.detail.find("another client has this one's transactional.id now") !=
          std::string::npos);
    test_publish third(topic, "key", "third");
    CHECK_FALSE(now.publish(third)); // it has not been fenced in turn
    CHECK(payloads(topic, 3) == std::vector<std::string>{"first", "second", "third"});
    CHECK_FALSE(before.stop());
    CHECK_FALSE(now.stop());
}

TEST_CASE("a transaction that a bus leaves open when it goes does not hold up readers") {
    using namespace fencing_test;
    const std::string topic = unique("left");
    const std::string stuck = unique("stuck");
    plain_create_topic(kafka_brokers(), topic, 1);
    transport_options options = with_id(unique("id"));
    options.create_topics = false; // so there is none, and what is for it waits for one to come
    options.decision_time = std::chrono::seconds(30);
    test_publish known(topic, "key", "first");
    test_publish held(stuck, "key", "left open");
    test_publish open(topic, "key", "left open");
    {
        transport_driver going(kafka(), options);
        REQUIRE_FALSE(going.start());
        REQUIRE_FALSE(going.publish(known));
        const std::size_t before = plain_count(kafka_brokers(), topic);
        net::post(going.context.executor(), [&] { // with nothing in between: in one transaction
            (void)going.get().publish(held, true);
            (void)going.get().publish(open, true);
        });
        while (plain_count(kafka_brokers(), topic) == before) {
        }
        SUBCASE("by a stop that has no time") {
            CHECK_FALSE(going.stop(std::chrono::milliseconds(0)));
            CHECK(open.ec);
        }
        SUBCASE("by an end without a stop") {}
    }
    transport_driver other(kafka(), with_id(unique("id")));
    REQUIRE_FALSE(other.start());
    test_publish last(topic, "key", "last");
    REQUIRE_FALSE(other.publish(last));
    CHECK(payloads(topic, 2) == std::vector<std::string>{"first", "last"});
    CHECK_FALSE(other.stop());
}

TEST_CASE("a group that has handled everything has no lag where transactions end a partition") {
    using namespace fencing_test;
    const std::string topic = unique("no-lag");
    const std::string group = unique("group");
    plain_create_topic(kafka_brokers(), topic, 1);
    transport_driver bus(kafka(), with_id(unique("id")));
    REQUIRE_FALSE(bus.start());
    for (const char* payload : {"first", "second"}) { // each with a marker behind it
        test_publish next(topic, "key", payload);
        REQUIRE_FALSE(bus.publish(next));
    }
    const auto committed = [&] { return plain_committed(kafka_brokers(), group, topic).offset; };
    const auto position_behind = [&](const stream_driver& in, std::size_t message) {
        return std::vector<position>{
            {{detail::intern(topic), 0}, in.seen.at(message).offset + 1, {}}};
    };
    stream_driver in(bus.get(), {topic}, group);
    REQUIRE(in.until([&] { return in.seen.size() == 2; }));

    SUBCASE("with its commit") {
        REQUIRE_FALSE(in.commit(position_behind(in, 0)));
        CHECK(committed() == 1);
        REQUIRE_FALSE(in.commit(position_behind(in, 1)));
        CHECK(committed() == 4);
    }
    SUBCASE("later, when a transaction has been aborted") {
        REQUIRE_FALSE(in.commit(position_behind(in, 1)));
        plain_leave_gap(kafka_brokers(), topic);
        CHECK(in.until([&] { return committed() == 6; }));
    }
    SUBCASE("only when all is handled") {
        REQUIRE_FALSE(in.commit(position_behind(in, 0)));
        plain_leave_gap(kafka_brokers(), topic);
        test_publish behind(topic, "key", "third");
        REQUIRE_FALSE(bus.publish(behind));
        REQUIRE(in.until([&] { return in.seen.size() == 3; }));
        REQUIRE_FALSE(in.commit(position_behind(in, 1)));
        CHECK(committed() == 3);
        REQUIRE_FALSE(in.commit(position_behind(in, 2)));
        CHECK(committed() == 8);
    }
    SUBCASE("also what was there before its member came") {
        REQUIRE_FALSE(in.commit(position_behind(in, 1)));
        in.crash();
        plain_leave_gap(kafka_brokers(), topic);
        stream_driver next(bus.get(), {topic}, group);
        CHECK(next.until([&] { return committed() == 6; }));
        CHECK(next.close());
        CHECK_FALSE(bus.stop());
        return;
    }
    CHECK(in.close());
    CHECK_FALSE(bus.stop());
}
