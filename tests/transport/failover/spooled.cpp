#include "failover_bench.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using cobus::errc;
using cobus::path;
using cobus::policy;
using cobus::state;
using cobus::taken;
using cobus::testing::failover_bench;
using cobus::testing::sent;

namespace spooled_tests {

using names = std::vector<std::string>;

struct spool_bench : failover_bench {
    using failover_bench::failover_bench;

    auto keep(std::string text, std::string_view key = "k", policy how = policy::deliver_and_spool)
        -> sent& {
        return publish(std::move(text), how, true, "t", key);
    }
};

TEST_CASE("while connected, what would be kept goes to Kafka and comes back with its answer") {
    spool_bench bench;
    bench.connected();
    sent& one = bench.keep("1");
    CHECK(bench.last == taken::pending);
    bench.answer_kafka();
    CHECK(one.completions == 1);
    CHECK_FALSE(one.ec);
    CHECK_FALSE(one.where.spooled());
    CHECK(one.content->payload() == "1");
    CHECK(bench.to_memory.empty());
    CHECK(bench.whole->health().kept.messages == 0);
}

TEST_CASE(
    "away: it is kept, handled here at once if nothing is still to come, and follows in order") {
    spool_bench bench;
    bench.connected();
    bench.away();
    sent& one = bench.keep("1");
    CHECK(bench.last == taken::done);
    CHECK_FALSE(one.ec);
    CHECK(one.where.spooled());
    CHECK(one.where.degraded());
    CHECK_FALSE(one.where.durable());
    CHECK(one.where.topic() == "t");
    bench.keep("2");
    bench.keep("3", "other", policy::spool);
    CHECK(bench.to_memory == names{"1", "2"});
    CHECK(bench.to_kafka.empty());
    const cobus::spooled kept = bench.whole->health().kept;
    CHECK(kept.messages == 3);
    CHECK(kept.bytes == 3 + 2 + 5);
    CHECK(kept.oldest.has_value());
    bench.back();
    CHECK(bench.whole->health().what == state::recovering);
    CHECK(bench.to_kafka == names{"1", "2", "3"});
    bench.answer_kafka();
    CHECK(bench.whole->health().what == state::connected);
    CHECK(bench.whole->health().kept.messages == 0);
    CHECK(bench.lines.size() == 4);
    CHECK(bench.lines[2] ==
          "info: Kafka at kafka:9092 answers again after 1 s; it gets 3 events that "
          "were kept for it");
    CHECK(bench.lines[3] == "info: Kafka at kafka:9092 has all that was kept for it, after 0 s");
    CHECK(bench.changes.wakes == 4);
}

TEST_CASE(
    "what Kafka's client has when the gate closes is answered, and never handled in process") {
    spool_bench bench;
    bench.connected();
    sent& old = bench.keep("1");
    CHECK_FALSE(old.over());
    bench.away();
    CHECK(old.completions == 1);
    CHECK(old.where.spooled());
    bench.keep("2"); // behind it
    bench.keep("3", "other");
    CHECK(bench.to_memory == names{"3"});
    SUBCASE("its report ends it") {
        bench.answer_kafka();
        CHECK(bench.whole->health().kept.messages == 2);
        bench.back();
        CHECK(bench.to_kafka == names{"1", "2", "3"});
    }
    SUBCASE("certainly not sent: again, before what is behind it") {
        bench.answer_kafka(errc::timed_out);
        CHECK(bench.whole->health().kept.messages == 3);
        bench.back();
        CHECK(bench.to_kafka == names{"1", "1", "2", "3"});
    }
    SUBCASE("perhaps sent: again, too, and not here") {
        bench.answer_kafka(errc::maybe_sent);
        bench.back();
        CHECK(bench.to_kafka == names{"1", "1", "2", "3"});
    }
    CHECK(bench.to_memory == names{"3"});
    bench.answer_kafka();
    CHECK(bench.whole->health().what == state::connected);
    CHECK(old.completions == 1);
}

TEST_CASE("an event is not handled here while an older one of the topic is still to come back") {
    spool_bench bench;
    bench.connected();
    bench.kafka->on_answer = [](cobus::publish_node& node, std::error_code) {
        node.where.position(0, 7);
    };
    bench.keep("1");
    bench.answer_kafka();
    bench.away();
    bench.keep("2");
    bench.keep("x", "another key");
    CHECK(bench.to_memory.empty());
    bench.back();
    bench.answer_kafka();
    CHECK(bench.whole->health().what == state::connected);
}

TEST_CASE("while it recovers, nothing passes what is kept of its key, and other keys go straight") {
    spool_bench bench;
    bench.connected();
    bench.away();
    bench.keep("1");
    bench.kafka->room = 0;
    bench.kafka->answer_at_once = make_error_code(errc::unavailable); // not now
    bench.back();
    CHECK(bench.whole->health().what == state::recovering);
    CHECK(bench.to_kafka == names{"1"});
    bench.kafka->answer_at_once.reset();
    bench.kafka->room = 1000;
    sent& behind = bench.keep("2");
    CHECK(behind.where.spooled());
    sent& other = bench.keep("x", "other");
    CHECK_FALSE(other.over());
    CHECK(bench.to_kafka == names{"1", "x"});
    CHECK(bench.to_memory == names{"1"});
    bench.time.pass(1s); // a client that refused is not asked again at once
    CHECK(bench.to_kafka == names{"1", "x", "1", "2"});
    sent& last = bench.keep("3"); // all older ones were given to the client: straight behind them
    CHECK_FALSE(last.over());
    bench.answer_kafka();
    CHECK_FALSE(last.where.spooled());
    CHECK(bench.whole->health().what == state::connected);
}

TEST_CASE("a second outage in the middle of a recovery is nothing special") {
    spool_bench bench;
    bench.connected();
    bench.away();
    for (const char* each : {"1", "2", "3"}) {
        bench.keep(each);
    }
    bench.back();
    CHECK(bench.to_kafka == names{"1", "2", "3"});
    bench.kafka->answer_at(0);
    bench.away();
    CHECK(bench.whole->health().what == state::degraded);
    bench.keep("4");
    CHECK(bench.to_memory == names{"1", "2", "3"}); // 4 must not pass what Kafka may have
    bench.kafka->answer_at(0, errc::timed_out);
    bench.kafka->answer_at(0, errc::timed_out);
    bench.time.settle();
    bench.back();
    CHECK(bench.to_kafka == names{"1", "2", "3", "2", "3", "4"});
    bench.answer_kafka();
    CHECK(bench.whole->health().what == state::connected);
}

TEST_CASE("a start without Kafka waits for the decision, and keeps then") {
    spool_bench bench;
    bench.start();
    sent& early = bench.keep("1");
    CHECK_FALSE(early.over());
    SUBCASE("away") {
        bench.time.pass(3s);
        CHECK(early.where.spooled());
        CHECK(bench.to_memory == names{"1"});
        CHECK(bench.to_kafka.empty());
    }
    SUBCASE("there") {
        bench.kafka->is(cobus::link::up);
        bench.time.settle();
        CHECK(bench.whole->health().what == state::connected);
        CHECK(bench.to_kafka == names{"1"});
        CHECK_FALSE(early.over());
        bench.answer_kafka();
        CHECK_FALSE(early.where.spooled());
        CHECK(bench.to_memory.empty());
    }
    SUBCASE("refused for good") {
        bench.kafka->is(cobus::link::failed, "wrong password",
                        make_error_code(errc::not_authorized));
        bench.time.settle();
        CHECK(early.ec == errc::not_authorized);
        CHECK(early.problem == "wrong password");
        CHECK(bench.keep("2").ec == errc::not_authorized);
    }
    CHECK(early.completions == 1);
}

TEST_CASE("one bound counts what is kept and what Kafka's client holds") {
    cobus::transport_options options;
    options.spool.messages = 3;
    SUBCASE("full: refused") {
        spool_bench bench(options);
        bench.connected();
        bench.keep("1");
        bench.away();
        bench.keep("2");
        bench.keep("3");
        sent& one = bench.keep("4");
        CHECK(one.ec == errc::queue_full);
        CHECK(one.content->payload() == "4");
        bench.publish("5", policy::spool, false);
        CHECK(bench.last == taken::full);
        bench.answer_kafka(); // 1
        CHECK_FALSE(bench.keep("6").ec);
    }
    SUBCASE("full: the oldest goes") {
        options.spool.when_full = cobus::spool_full::drop_oldest;
        spool_bench bench(options);
        bench.connected();
        bench.keep("1");
        bench.away();
        for (const char* each : {"2", "3", "4"}) {
            CHECK_FALSE(bench.keep(each).ec);
        }
        CHECK(bench.whole->health().kept.messages == 3);
        bench.back();
        CHECK(bench.to_kafka == names{"1", "3", "4"}); // what the client has cannot be dropped
    }
}

TEST_CASE("what Kafka refuses for good is the publisher's, or counted, and its key goes on") {
    spool_bench bench;
    bench.connected();
    sent& told = bench.keep("1");
    bench.answer_kafka(errc::too_large);
    CHECK(told.ec == errc::too_large);
    CHECK(told.content->payload() == "1");
    bench.away();
    bench.keep("2");
    bench.keep("3");
    bench.back();
    bench.kafka->answer_at(0, errc::too_large);
    bench.answer_kafka();
    CHECK(bench.whole->health().kept.refused == 1);
    CHECK(bench.whole->health().kept.messages == 0);
    CHECK(bench.whole->health().what == state::connected);
}

TEST_CASE("stopping ends in time, and says what is left") {
    spool_bench bench;
    bench.connected();
    bench.away();
    bench.keep("1");
    CHECK(bench.keep("2").where.spooled());
    bench.stop();
    CHECK(bench.stopped.times == 0);
    CHECK(bench.keep("3").ec == errc::closed);
    SUBCASE("Kafka stays away") {
        bench.time.pass(5s);
        CHECK(bench.stopped.times == 1);
        CHECK(bench.whole->health().kept.messages == 2);
    }
    SUBCASE("Kafka comes back") {
        bench.back();
        CHECK(bench.to_kafka == names{"1", "2"});
        bench.answer_kafka();
        CHECK(bench.stopped.times == 1);
        CHECK(bench.whole->health().kept.messages == 0);
    }
}

} // namespace spooled_tests
