#include "failover_bench.hpp"

#include <cobus/transport/failover.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace cobus::testing;
using cobus::errc;
using cobus::path;
using cobus::policy;
using cobus::state;
using cobus::taken;
using names = std::vector<std::string>;

namespace {

auto with(std::size_t messages, std::size_t bytes) -> cobus::transport_options {
    cobus::transport_options options;
    options.queue_messages = messages;
    options.queue_bytes = bytes;
    return options;
}

} // namespace

TEST_CASE("while connected, events go to Kafka and come back with its answer") {
    failover_bench bench;
    bench.connected();
    CHECK(bench.started.times == 1);
    CHECK_FALSE(bench.started.ec);
    sent& one = bench.publish("1");
    CHECK(bench.last == taken::pending);
    CHECK(bench.to_kafka == names{"1"});
    bench.answer_kafka();
    CHECK(one.completions == 1);
    CHECK_FALSE(one.ec);
    CHECK_FALSE(one.where.degraded());
    CHECK(one.content->payload() == "1");
    CHECK(bench.to_memory.empty());
    CHECK(bench.lines == names{"info: connected to Kafka at kafka:9092"});
}

TEST_CASE("a normal start waits for Kafka and handles nothing in process") {
    failover_bench bench;
    bench.start();
    for (const policy how : {policy::deliver, policy::wait, policy::fail}) {
        CHECK_FALSE(bench.publish("x", how).over());
    }
    CHECK(bench.whole->health().what == state::connecting);
    CHECK(bench.to_kafka.empty());
    bench.time.pass(2900ms);
    CHECK(bench.started.times == 0);
    bench.kafka->is(cobus::link::up);
    bench.time.settle();
    CHECK(bench.started.times == 1);
    CHECK(bench.to_kafka.size() == 3);
    CHECK(bench.to_memory.empty());
}

TEST_CASE("a silent Kafka counts as away after the decision time, and each policy has its way") {
    failover_bench bench;
    bench.start();
    sent& delivered = bench.publish("d", policy::deliver);
    sent& waiting = bench.publish("w", policy::wait);
    sent& failed = bench.publish("f", policy::fail);
    bench.time.pass(3s);
    CHECK(bench.started.times == 1);
    CHECK_FALSE(bench.started.ec);
    CHECK(bench.whole->health().what == state::degraded);
    CHECK(bench.whole->state().what == cobus::link::down);
    CHECK(delivered.completions == 1);
    CHECK_FALSE(delivered.ec);
    CHECK(delivered.where.degraded());
    CHECK(delivered.where.way() == path::memory);
    CHECK_FALSE(delivered.where.durable());
    CHECK(failed.completions == 1);
    CHECK(failed.ec == errc::unavailable);
    CHECK(failed.problem == "no answer within 3000 ms");
    CHECK(waiting.completions == 0);
    CHECK(bench.lines == names{"warning: Kafka at kafka:9092 is away (no answer within 3000 ms): "
                               "events are kept for it, and handled in process where that "
                               "keeps their order"});
}

TEST_CASE("a required Kafka that is away fails the start with its cause") {
    failover_bench bench({}, true);
    bench.start();
    sent& early = bench.publish("1");
    bench.kafka->is(cobus::link::down, "connection refused");
    bench.time.settle();
    CHECK(bench.started.times == 1);
    CHECK(bench.started.ec == errc::kafka_required);
    CHECK(bench.whole->state().what == cobus::link::failed);
    CHECK(bench.whole->state().detail == "connection refused");
    CHECK(early.ec == errc::kafka_required);
    CHECK(bench.publish("2").ec == errc::kafka_required);
    CHECK(bench.lines.size() == 1);
}

TEST_CASE("a client that cannot start for good fails the start") {
    failover_bench bench;
    bench.kafka->start_error = make_error_code(errc::not_authorized);
    bench.start();
    CHECK(bench.started.times == 1);
    CHECK(bench.started.ec == errc::not_authorized);
    CHECK(bench.whole->health().what == state::failed);
}

TEST_CASE("away while running: delivered in process, failed at once, or kept, and one line each") {
    failover_bench bench;
    bench.connected();
    bench.away();
    CHECK(bench.publish("1").where.way() == path::memory);
    CHECK(bench.publish("2", policy::fail).ec == errc::unavailable);
    sent& kept = bench.publish("3", policy::wait);
    CHECK_FALSE(kept.over());
    bench.publish("4");
    bench.back();
    CHECK(bench.to_kafka == names{"3"});
    bench.answer_kafka();
    CHECK_FALSE(kept.ec);
    CHECK_FALSE(kept.where.degraded());
    bench.publish("5");
    CHECK(bench.to_kafka == names{"3", "5"});
    CHECK(bench.to_memory == names{"1", "4"});
    CHECK(bench.lines.size() == 3);
    CHECK(bench.lines.back() ==
          "info: Kafka at kafka:9092 answers again after 1 s; 2 events stayed in process");
    CHECK(bench.changes.wakes == 3);
}

TEST_CASE("what is still on its way in process when Kafka answers is counted, once") {
    failover_bench bench;
    bench.connected();
    bench.away();
    bench.memory->answer_at_once.reset();
    bench.publish("1");
    bench.publish("2");
    bench.back();
    CHECK(bench.lines.back().ends_with("; 2 events stayed in process"));
    bench.memory->answer_all();
    bench.time.settle();
    bench.memory->answer_at_once = std::error_code();
    bench.away();
    bench.publish("3");
    bench.back();
    CHECK(bench.lines.back().ends_with("; 1 event stayed in process"));
}

TEST_CASE("an event waits in its line until Kafka's client holds nothing of its topic") {
    failover_bench bench;
    bench.connected();
    sent& old = bench.publish("1");
    bench.away();
    sent& behind = bench.publish("2");
    sent& third = bench.publish("3");
    sent& elsewhere = bench.publish("x", policy::deliver, true, "other");
    CHECK(elsewhere.over());
    CHECK_FALSE(behind.over());
    SUBCASE("what the client gave up is delivered first") {
        bench.answer_kafka(errc::timed_out);
        CHECK(bench.to_memory == names{"x", "1", "2", "3"});
        CHECK_FALSE(old.ec);
        CHECK(old.where.degraded());
        CHECK(old.completions == 1);
    }
    SUBCASE("what it may have sent goes back to the publisher as that") {
        bench.answer_kafka(errc::maybe_sent);
        CHECK(bench.to_memory == names{"x", "2", "3"});
        CHECK(old.ec == errc::maybe_sent);
    }
    SUBCASE("what Kafka acknowledged is done") {
        bench.answer_kafka();
        CHECK(bench.to_memory == names{"x", "2", "3"});
        CHECK_FALSE(old.ec);
        CHECK_FALSE(old.where.degraded());
    }
    SUBCASE("when Kafka is back before, all go there") {
        bench.back();
        CHECK(bench.to_kafka == names{"1", "2", "3"});
        CHECK(bench.to_memory == names{"x"});
        bench.answer_kafka();
    }
    CHECK(third.completions == 1);
    CHECK(behind.completions == 1);
}

TEST_CASE("the client's events are delivered in order, however it gives them up") {
    failover_bench bench;
    bench.connected();
    for (const char* each : {"1", "2", "3", "4"}) {
        bench.publish(each);
    }
    bench.away();
    bench.publish("5");
    bench.kafka->answer_at(2, errc::timed_out); // 3
    bench.time.settle();
    CHECK(bench.to_memory.empty());
    bench.kafka->answer_at(0, errc::timed_out); // 1
    bench.time.settle();
    CHECK(bench.to_memory == names{"1"});
    bench.kafka->answer_at(0, errc::timed_out); // 2
    bench.time.settle();
    CHECK(bench.to_memory == names{"1", "2", "3"}); // 5 still waits for 4
    bench.kafka->answer_at(0);                      // 4 arrived
    bench.time.settle();
    CHECK(bench.to_memory == names{"1", "2", "3", "5"});
}

TEST_CASE("what the client has not begun with is taken back at once") {
    failover_bench bench;
    bench.connected();
    bench.kafka->room = 1;
    bench.publish("1");
    bench.publish("2");
    bench.publish("3");
    CHECK(bench.kafka->under_way() == 3);
    bench.away();
    CHECK(bench.kafka->under_way() == 1);
    bench.answer_kafka(errc::timed_out);
    CHECK(bench.to_memory == names{"1", "2", "3"});
    for (const sent& each : bench.all) {
        CHECK(each.completions == 1);
    }
}

TEST_CASE("a waiting event ends at the wait limit, certainly not sent") {
    cobus::transport_options options;
    options.wait_limit = 5s;
    failover_bench bench(options);
    bench.connected();
    bench.away();
    sent& one = bench.publish("1", policy::wait);
    bench.time.pass(2s);
    sent& two = bench.publish("2", policy::wait);
    bench.time.pass(2999ms);
    CHECK_FALSE(one.over());
    bench.time.pass(1ms);
    CHECK(one.ec == errc::timed_out);
    CHECK_FALSE(two.over());
    bench.time.pass(2s);
    CHECK(two.ec == errc::timed_out);
    CHECK(bench.to_kafka.empty());
}

TEST_CASE("an event that waits is sent again when the client gave it up, until its limit") {
    cobus::transport_options options;
    options.wait_limit = 60s;
    failover_bench bench(options);
    bench.connected();
    sent& one = bench.publish("1", policy::wait);
    sent& two = bench.publish("2", policy::wait);
    bench.away();
    sent& three = bench.publish("3", policy::wait);
    bench.answer_kafka(errc::timed_out);
    CHECK_FALSE(one.over());
    bench.time.pass(20s);
    bench.back();
    CHECK(bench.to_kafka == names{"1", "2", "1", "2", "3"});
    bench.answer_kafka();
    CHECK_FALSE(one.ec);
    CHECK_FALSE(two.ec);
    CHECK_FALSE(three.ec);
    CHECK(bench.to_memory.empty());
}

TEST_CASE("a client that refuses at once is not asked again and again") {
    failover_bench bench;
    bench.connected();
    bench.kafka->answer_at_once = make_error_code(errc::unavailable);
    CHECK(bench.publish("1", policy::wait).ec == errc::unavailable);
    CHECK(bench.publish("2", policy::fail).ec == errc::unavailable);
    sent& three = bench.publish("3", policy::deliver);
    CHECK_FALSE(three.ec);
    CHECK(three.where.way() == path::memory);
    CHECK(bench.kafka->published == 3);
}

TEST_CASE("newer events do not pass those that memory has not taken yet") {
    failover_bench bench;
    bench.connected();
    bench.memory->answer_at_once.reset();
    bench.away();
    sent& one = bench.publish("1");
    CHECK_FALSE(one.over());
    bench.back();
    sent& two = bench.publish("2");
    CHECK(bench.to_kafka.empty());
    bench.memory->answer_all();
    bench.time.settle();
    CHECK(one.where.degraded());
    CHECK(bench.to_kafka == names{"2"});
    bench.answer_kafka();
    CHECK(two.over());
}

TEST_CASE("what waits is bounded in messages and bytes for those who would not wait") {
    SUBCASE("messages") {
        failover_bench bench(with(2, 1000));
        bench.connected();
        bench.away();
        bench.publish("1", policy::wait, false);
        CHECK(bench.last == taken::pending);
        bench.publish("2", policy::wait, true);
        CHECK(bench.last == taken::pending);
        sent& none = bench.publish("3", policy::wait, false);
        CHECK(bench.last == taken::full);
        CHECK(none.content->payload() == "3");
        bench.publish("4", policy::wait, true); // in line, first come first served
        CHECK(bench.last == taken::pending);
        CHECK(bench.whole->withdraw(bench.all[1]));
        CHECK(bench.whole->withdraw(bench.all[3]));
        bench.publish("5", policy::wait, false);
        CHECK(bench.last == taken::pending);
        bench.back();
        CHECK(bench.to_kafka == names{"1", "5"});
        bench.answer_kafka();
    }
    SUBCASE("bytes") {
        failover_bench bench(with(100, 10));
        bench.connected();
        bench.away();
        bench.publish("12345678", policy::wait, false); // and the key
        CHECK(bench.last == taken::pending);
        bench.publish("x", policy::wait, false);
        CHECK(bench.last == taken::full);
        bench.time.pass(301s);
        bench.publish("y", policy::wait, false);
        CHECK(bench.last == taken::pending);
        bench.back();
        bench.answer_kafka();
    }
    SUBCASE("the client's own bound is passed on") {
        failover_bench bench;
        bench.connected();
        bench.kafka->room = 0;
        sent& one = bench.publish("1", policy::deliver, false);
        CHECK(bench.last == taken::full);
        CHECK(one.content->payload() == "1");
        CHECK_FALSE(one.over());
    }
}

TEST_CASE("a publish is withdrawn where it is, and leaves no trace") {
    failover_bench bench;
    bench.connected();
    bench.kafka->room = 1;
    sent& begun = bench.publish("1", policy::wait);
    sent& in_line = bench.publish("2", policy::wait);
    CHECK_FALSE(bench.whole->withdraw(begun));
    CHECK(bench.whole->withdraw(in_line));
    CHECK(in_line.content->payload() == "2");
    CHECK_FALSE(bench.whole->withdraw(in_line));
    bench.away();
    sent& held = bench.publish("3", policy::wait);
    sent& next = bench.publish("4", policy::wait);
    CHECK(bench.whole->withdraw(held));
    bench.back();
    bench.answer_kafka();
    bench.answer_kafka();
    CHECK(begun.completions == 1);
    CHECK(next.completions == 1);
    CHECK(in_line.completions == 0);
    CHECK(held.completions == 0);
    CHECK_FALSE(bench.whole->withdraw(begun));
    CHECK(bench.to_kafka == names{"1", "2", "4"});
}

TEST_CASE("a withdrawn head lets those behind it go") {
    failover_bench bench;
    bench.connected();
    bench.kafka->room = 1;
    bench.publish("0", policy::deliver, true, "other");
    sent& head = bench.publish("1");
    bench.kafka->on_publish = {};
    bench.away(); // takes 1 back and delivers it
    CHECK(head.over());
    CHECK(bench.to_memory == names{"1"});
    bench.answer_kafka(errc::timed_out);
    CHECK(bench.to_memory == names{"1", "0"});
}

TEST_CASE("events of one topic with other policies do not block each other") {
    failover_bench bench;
    bench.connected();
    bench.away();
    bench.publish("w", policy::wait);
    CHECK(bench.publish("d", policy::deliver).over());
    CHECK(bench.publish("f", policy::fail).over());
    bench.back();
    bench.answer_kafka();
}

TEST_CASE("flapping is damped: closed a second at least, and a line for each change only") {
    failover_bench bench;
    bench.connected();
    bench.away();
    for (int i = 0; i < 50; ++i) {
        bench.kafka->is(i % 2 == 0 ? cobus::link::up : cobus::link::down);
        bench.time.pass(10ms);
    }
    CHECK(bench.whole->health().what == state::degraded);
    CHECK(bench.lines.size() == 2);
    bench.kafka->is(cobus::link::up);
    bench.time.pass(500ms);
    CHECK(bench.whole->health().what == state::connected);
    CHECK(bench.lines.size() == 3);
}

TEST_CASE("a client that is beyond repair fails what waits and what comes") {
    failover_bench bench;
    bench.connected();
    bench.away();
    sent& waiting = bench.publish("1", policy::wait);
    bench.kafka->is(cobus::link::failed, "fenced", make_error_code(errc::fatal));
    bench.time.settle();
    CHECK(waiting.ec == errc::fatal);
    CHECK(waiting.problem == "fenced");
    CHECK(bench.publish("2").ec == errc::fatal);
}

TEST_CASE("what memory refuses is the publisher's to know") {
    failover_bench bench;
    bench.connected();
    bench.away();
    bench.memory->answer_at_once = make_error_code(errc::too_large);
    CHECK(bench.publish("1").ec == errc::too_large);
}

TEST_CASE("stop is over when all is, by its deadline in every state") {
    failover_bench bench;
    const auto stop = [&bench](std::chrono::milliseconds limit) {
        bench.whole->stop(bench.time.now() + limit, bench.stopped);
        bench.time.settle();
    };
    SUBCASE("never started") {
        stop(1s);
        CHECK(bench.stopped.times == 1);
    }
    SUBCASE("connecting") {
        bench.start();
        sent& one = bench.publish("1");
        stop(1s);
        CHECK(bench.stopped.times == 0);
        bench.time.pass(1s);
        CHECK(one.ec == errc::timed_out);
        CHECK(bench.started.times == 1);
        CHECK(bench.started.ec == errc::closed);
    }
    SUBCASE("connected") {
        bench.connected();
        sent& one = bench.publish("1");
        stop(1s);
        CHECK(one.completions == 1);
    }
    SUBCASE("degraded, with events that wait") {
        bench.connected();
        bench.away();
        sent& one = bench.publish("1", policy::wait);
        stop(2s);
        bench.time.pass(1999ms);
        CHECK(bench.stopped.times == 0);
        bench.time.pass(1ms);
        CHECK(one.ec == errc::timed_out);
    }
    SUBCASE("degraded, and Kafka comes back in time") {
        bench.connected();
        bench.away();
        sent& one = bench.publish("1", policy::wait);
        stop(5s);
        bench.kafka->on_publish = [](cobus::publish_node&) {};
        bench.kafka->answer_at_once = std::error_code();
        bench.back();
        CHECK(one.completions == 1);
        CHECK_FALSE(one.ec);
    }
    SUBCASE("degraded, with events behind the client's") {
        bench.connected();
        sent& one = bench.publish("1");
        bench.away();
        sent& two = bench.publish("2");
        stop(1s);
        bench.answer_kafka(errc::timed_out);
        bench.time.pass(1s);
        CHECK(one.ec == errc::timed_out);
        CHECK(two.ec == errc::timed_out);
        CHECK(bench.to_memory.empty()); // nobody reads from it any more
    }
    SUBCASE("connected again, with events that the client had given up") {
        bench.connected();
        sent& one = bench.publish("1");
        sent& two = bench.publish("2");
        bench.kafka->answer_at(1, errc::timed_out); // 2 waits for 1
        bench.time.settle();
        bench.kafka->answer_at_once = std::error_code();
        stop(1h);
        CHECK(one.ec == errc::timed_out);
        CHECK_FALSE(two.ec);
        CHECK(bench.to_memory.empty());
        CHECK(bench.to_kafka == names{"1", "2", "2"});
    }
    SUBCASE("failed") {
        bench.start();
        bench.kafka->is(cobus::link::failed);
        bench.time.settle();
        stop(1s);
    }
    CHECK(bench.stopped.times == 1);
    CHECK(bench.publish("late").ec == errc::closed);
    for (const sent& each : bench.all) {
        CHECK(each.completions == 1);
    }
}

TEST_CASE("an idle failover asks for no alarm and is not run") {
    failover_bench bench;
    bench.connected();
    CHECK(bench.time.due() == (cobus::failover::clock::time_point::max)());
    const int before = bench.time.runs();
    for (int i = 0; i < 100; ++i) {
        bench.publish("x");
        bench.answer_kafka();
    }
    bench.time.pass(1h);
    CHECK(bench.time.runs() == before);
}

TEST_CASE("publishing before the start and after the end is refused") {
    failover_bench bench;
    CHECK(bench.publish("1").ec == errc::closed);
}
