#include "failover_bench.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

// What only passes through to Kafka's client, and what becomes of it when the gate closes.

using cobus::errc;
using cobus::policy;
using cobus::publish_node;
using cobus::state;
using cobus::taken;
using cobus::testing::failover_bench;
using cobus::testing::sent;

namespace spool_passing_tests {

using names = std::vector<std::string>;

struct passing_bench : failover_bench {
    passing_bench() { connected(); }

    auto keep(std::string text, std::string_view key = "k", bool may_wait = true) -> sent& {
        return publish(std::move(text), policy::deliver_and_spool, may_wait, "t", key);
    }
    /// The gate closes while Kafka's client is just being asked.
    void close_within_next() {
        kafka->on_publish = [this](publish_node& node) {
            kafka->on_publish = [this](publish_node& next) { to_kafka.push_back(payload(next)); };
            to_kafka.push_back(payload(node));
            away();
        };
    }
    auto kept() const -> std::size_t { return whole->health().kept.messages; }
};

TEST_CASE("Kafka's client gets the publisher's own node, which costs no other") {
    passing_bench bench;
    const publish_node* given = nullptr;
    bench.kafka->on_publish = [&](publish_node& node) { given = &node; };
    sent& one = bench.keep("1");
    CHECK(given == &one);
    bench.answer_kafka();
    CHECK(one.completions == 1);
    CHECK(one.content->payload() == "1");
}

TEST_CASE("a publisher that was answered when the gate closed hears nothing of the report") {
    passing_bench bench;
    sent& one = bench.keep("1");
    bench.away();
    CHECK(one.completions == 1);
    CHECK(one.where.spooled());
    CHECK(bench.kept() == 1);
    SUBCASE("a good one") {
        bench.answer_kafka();
        CHECK(bench.kept() == 0);
    }
    SUBCASE("one that says that it was not sent, after which it goes again") {
        bench.answer_kafka(errc::timed_out);
        CHECK(bench.kept() == 1);
        bench.back();
        CHECK(bench.to_kafka == names{"1", "1"});
        bench.answer_kafka();
        CHECK(bench.kept() == 0);
    }
    SUBCASE("one that refuses it for good, which is counted") {
        bench.answer_kafka(errc::too_large);
        CHECK(bench.kept() == 0);
        CHECK(bench.whole->health().kept.refused == 1);
    }
    CHECK(one.completions == 1);
    CHECK_FALSE(one.ec);
    CHECK(one.where.spooled());
}

TEST_CASE("a publisher that cannot be answered before the report waits for it") {
    passing_bench bench;
    sent& one = bench.keep("1");
    SUBCASE("without memory") {
        one.answered = [](publish_node& /*node*/, cobus::early_answer&& /*what*/) noexcept {
            return false;
        };
    }
    SUBCASE("because it takes no such answer") { one.answered = nullptr; }
    bench.away();
    CHECK(one.completions == 0);
    CHECK_FALSE(bench.whole->withdraw(one)); // the client has begun it
    bench.answer_kafka();
    CHECK(one.completions == 1);
    CHECK_FALSE(one.ec);
    CHECK_FALSE(one.where.spooled());
    CHECK(bench.kept() == 0);
}

TEST_CASE("a publisher that could not be answered is withdrawn from the client's line") {
    passing_bench bench;
    bench.kafka->room = 0;
    sent& one = bench.keep("1");
    one.answered = nullptr;
    bench.away();
    CHECK(bench.kept() == 1);
    CHECK(bench.whole->withdraw(one));
    CHECK(one.completions == 0);
    CHECK(one.content->payload() == "1");
    CHECK(bench.kept() == 0);
}

TEST_CASE("the gate closes while Kafka's client is being asked, which has no room") {
    passing_bench bench;
    bench.close_within_next();
    bench.kafka->room = 0;
    sent& one = bench.keep("1", "k", false);
    CHECK(bench.last == taken::pending); // kept, and its publisher knows
    CHECK(one.completions == 1);
    CHECK(one.where.spooled());
    CHECK_FALSE(one.parted); // the node is its publisher's again
    CHECK(bench.kept() == 1);
    bench.kafka->room = 1000;
    bench.back();
    CHECK(bench.to_kafka == names{"1", "1"});
    bench.answer_kafka();
    CHECK(bench.kept() == 0);
    CHECK(one.completions == 1);
}

TEST_CASE("the gate closes while Kafka's client is being asked, which refuses") {
    passing_bench bench;
    bench.close_within_next();
    bench.kafka->answer_at_once = make_error_code(errc::unavailable);
    sent& one = bench.keep("1");
    CHECK(bench.last == taken::pending);
    CHECK(one.completions == 1);
    CHECK(one.where.spooled());
    CHECK_FALSE(one.parted);
    CHECK(bench.kept() == 1);
    bench.kafka->answer_at_once.reset();
    bench.back();
    bench.time.pass(std::chrono::seconds(1)); // a client that refused is not asked at once
    bench.answer_kafka();
    CHECK(bench.kept() == 0);
    CHECK(bench.to_kafka.size() >= 2);
}

TEST_CASE("a client without room leaves the event as it was") {
    passing_bench bench;
    bench.kafka->room = 0;
    sent& one = bench.keep("1", "k", false);
    CHECK(bench.last == taken::full);
    CHECK(one.completions == 0);
    CHECK(one.content->payload() == "1");
    CHECK(one.partition == -1);
    CHECK(bench.kept() == 0);
}

TEST_CASE("what stands in the client's line is withdrawn, unless it was kept meanwhile") {
    passing_bench bench;
    bench.kafka->room = 0;
    sent& one = bench.keep("1");
    SUBCASE("it was not") {
        CHECK(bench.whole->withdraw(one));
        CHECK(one.completions == 0);
        CHECK(one.content->payload() == "1");
        CHECK(bench.kept() == 0);
        bench.keep("2"); // nothing of it is left in the way
        CHECK(bench.to_kafka == names{"1", "2"});
    }
    SUBCASE("it was, just now") {
        bench.kafka->on_withdraw = [&](publish_node& /*node*/) { bench.away(); };
        CHECK_FALSE(bench.whole->withdraw(one));
        CHECK(one.completions == 1);
        CHECK(one.where.spooled());
        CHECK_FALSE(one.parted);
        bench.kafka->room = 1000;
        bench.back();
        bench.answer_kafka();
        CHECK(bench.to_kafka == names{"1", "1"});
        CHECK(bench.kept() == 0);
        CHECK(one.completions == 1);
    }
}

} // namespace spool_passing_tests
