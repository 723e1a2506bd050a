#include "failover_bench.hpp"

#include <cobus/detail/intern.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

// What goes wrong with simpler designs than ours: each test does the same with both, and shows the
// damage in the simpler one. tests/mock/outage_order.cpp has the one with message timeouts.

namespace simpler_design_tests {

using cobus::deliver_order;
using cobus::policy;
using cobus::state;
using cobus::testing::failover_bench;
using cobus::testing::quiet_waker;
using names = std::vector<std::string>;

const std::string* const topic = cobus::detail::intern("t");

struct commit final : cobus::operation {
    commit() {
        completed = [](operation& self) noexcept { ++static_cast<commit&>(self).answers; };
    }
    int answers = 0;
};

/// Event 9 is with Kafka, and its handler here has not had it yet, when Kafka goes away and event
/// 10 of its key is published. Returns what handlers of this process get now.
auto handled_while_nine_is_to_come(deliver_order order) -> names {
    cobus::transport_options options;
    options.spool.in_process = order;
    failover_bench bench(options);
    bench.kafka->on_answer = [](cobus::publish_node& node, std::error_code) {
        node.where.position(0, 9);
    };
    bench.connected();
    quiet_waker ready;
    const auto stream = bench.whole->subscribe({"g", {topic}}, ready);
    stream->handled({topic, 0}, 9); // all below 9
    bench.publish("9", policy::deliver_and_spool);
    bench.answer_kafka();
    bench.away();
    bench.publish("10", policy::deliver_and_spool);
    return bench.to_memory;
}

TEST_CASE(
    "an older event of the key that is still to come: delivering at once handles 10 before 9") {
    // One sees it by event 10 being handed to handlers while 9 has not been.
    CHECK(handled_while_nine_is_to_come(deliver_order::eager) == names{"10"}); // the simpler design
    CHECK(handled_while_nine_is_to_come(deliver_order::in_order).empty());
}

/// Kafka went away when a handler's event had come from it: the position behind that is to be
/// committed.
struct after_a_handler : failover_bench {
    after_a_handler() {
        connected();
        stream = whole->subscribe({"g", {topic}}, ready);
        from_kafka = kafka->last_stream;
        away();
    }

    quiet_waker ready;
    std::unique_ptr<cobus::stream> stream;
    cobus::testing::scripted_stream* from_kafka = nullptr;
    std::vector<cobus::position> handled{{{topic, 0}, 5, {}}};
    commit asked;
};

/// A handler's event came from Kafka; what the handler published is only in this process's memory,
/// because Kafka went away. Then its position is committed, and the process crashes. Returns
/// whether Kafka brings the event again, so that what was published can come to be again.
auto comes_again_after_a_crash(bool with_barrier) -> bool {
    after_a_handler bench;
    CHECK(bench.publish("output", policy::spool).where.spooled());
    if (with_barrier) {
        bench.stream->commit(bench.handled, 0, bench.asked);
    } else {
        bench.from_kafka->commit(bench.handled, 0,
                                 bench.asked); // the simpler design: handled is committed
    }
    CHECK(bench.asked.answers == 1);
    return bench.from_kafka->committed.empty();
}

TEST_CASE("a commit before the outputs: a crash then loses what the handler published for good") {
    // One sees it by the position being with Kafka while the output is nowhere but in memory.
    CHECK_FALSE(comes_again_after_a_crash(false)); // the simpler design
    CHECK(comes_again_after_a_crash(true));
}

TEST_CASE("a commit that was held back is made when Kafka has the outputs, and not before") {
    after_a_handler bench;
    bench.publish("output", policy::spool);
    bench.stream->commit(bench.handled, 0, bench.asked);
    bench.publish("later", policy::spool); // of another handler, perhaps
    bench.back();
    CHECK(bench.to_kafka == names{"output", "later"});
    std::vector<cobus::delivery> room(1);
    (void)bench.stream->poll(room);
    CHECK(bench.from_kafka->committed.empty()); // given to Kafka's client is not yet acknowledged
    REQUIRE(bench.kafka->answer_next());
    bench.time.settle();
    CHECK(bench.ready.wakes > 0);
    (void)bench.stream->poll(room);
    REQUIRE(bench.from_kafka->committed.size() == 1); // "later" came after it was asked for
    CHECK(bench.from_kafka->committed[0].offset == 5);
    bench.answer_kafka();
}

} // namespace simpler_design_tests
