#include "route_bench.hpp"
#include "route_walk.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using cobus::errc;
using cobus::path;
using cobus::policy;
using cobus::state;
using cobus::taken;
using cobus::testing::key_in;
using cobus::testing::route_bench;
using cobus::testing::sent;

namespace line_route_tests {

using names = std::vector<std::string>;

/// Publishes with one policy, a partition of three of which fell silent.
struct line_bench : route_bench {
    explicit line_bench(policy how, cobus::transport_options with = {})
        : route_bench(std::move(with)), when_away(how) {
        connected();
        put("warm", 1);
        pass(100ms);
        to_kafka.clear();
    }
    auto put(std::string text, std::int32_t partition, int from = 0) -> sent& {
        return publish(std::move(text), when_away, true, "t", key_in(partition, from));
    }
    /// The client hears what became of the oldest that it has for partitions that are silent.
    void client_says(std::error_code ec) {
        for (std::size_t i = 0; i < on_the_way.size(); ++i) {
            const auto at = kafka->partition_for(*on_the_way[i]->content, on_the_way[i]->partition);
            if (kafka->partitions_away.contains(at)) {
                on_the_way.erase(on_the_way.begin() + static_cast<std::ptrdiff_t>(i));
                REQUIRE(kafka->answer_at(i, ec));
                break;
            }
        }
        time.settle();
    }
    /// How long it takes until the publish is answered, while others are acknowledged.
    [[nodiscard]] auto answered_after(const sent& node) -> std::chrono::milliseconds {
        const auto before = time.now();
        while (!node.over() && time.now() - before < 30s) {
            sent& other = put("x", 0);
            pass(100ms);
            CHECK(other.over());
            CHECK_FALSE(other.ec);
            CHECK_FALSE(other.where.degraded());
        }
        return std::chrono::duration_cast<std::chrono::milliseconds>(time.now() - before);
    }
    /// Its broker falls silent with an event: whoever published that is answered within 4 s.
    [[nodiscard]] auto freeze_with(std::string text, std::int32_t partition) -> sent& {
        freeze(partition);
        sent& stuck = put(std::move(text), partition);
        const auto took = answered_after(stuck);
        CHECK(took >= 3s);
        CHECK(took < 4s);
        CHECK(stuck.ec == errc::maybe_sent); // the client has it still
        return stuck;
    }

    policy when_away;
};

TEST_CASE("with fail, what is at a silent broker ends within 4 s, and what comes next at once") {
    line_bench bench(policy::fail);
    bench.kafka->outside = true;
    CHECK(bench.whole->answers_later());
    const sent& stuck = bench.freeze_with("1", 1);
    CHECK(bench.whole->health().what == state::degraded);
    REQUIRE(bench.whole->health().routes.size() == 1);
    CHECK(bench.whole->health().routes[0].partition == 1);

    sent& next = bench.put("2", 1);
    CHECK(next.ec == errc::unavailable);
    CHECK(next.problem == "its part of Kafka is away");
    CHECK_FALSE(bench.whole->answers_later()); // some are answered here, and it says why
    CHECK(std::ranges::count(bench.to_kafka, "2") == 0);
    bench.thaw(1);
    bench.pass(1500ms);
    CHECK(bench.whole->health().what == state::connected);
    CHECK(bench.whole->answers_later());
    CHECK(stuck.completions == 1); // the client's answer came after all
    sent& last = bench.put("3", 1);
    bench.pass(100ms);
    CHECK(last.over());
    CHECK_FALSE(last.ec);
    CHECK(bench.to_memory.empty());
}

TEST_CASE("with deliver, what is at a silent broker ends within 4 s, and what comes next is "
          "handled in process") {
    line_bench bench(policy::deliver);
    const sent& stuck = bench.freeze_with("1", 1);
    for (const char* each : {"2", "3"}) {
        sent& next = bench.put(each, 1);
        REQUIRE(next.over());
        CHECK_FALSE(next.ec);
        CHECK(next.where.way() == path::memory);
    }
    SUBCASE("the client gives it up") { bench.client_says(errc::timed_out); }
    SUBCASE("the client cannot say") { bench.client_says(errc::maybe_sent); }
    SUBCASE("Kafka has it") { bench.client_says({}); }
    CHECK(stuck.completions == 1);
    CHECK(bench.to_memory == names{"2", "3"}); // it is not handled in process as well
    bench.thaw(1);
    bench.pass(3s);
    CHECK(bench.whole->health().what == state::connected);
    CHECK(bench.lines.back().find("2 events stayed in process") != std::string::npos);
    sent& last = bench.put("5", 1);
    bench.pass(100ms);
    CHECK(last.over());
    CHECK_FALSE(last.where.degraded());
}

TEST_CASE("with wait, events of a silent broker wait here, in order, and others go on") {
    line_bench bench(policy::wait);
    bench.freeze(1);
    sent& stuck = bench.put("1", 1);
    for (int i = 0; i < 8; ++i) {
        sent& other = bench.put("x", 0);
        bench.pass(500ms);
        CHECK(other.over());
    }
    REQUIRE(bench.whole->health().routes.size() == 1);
    sent& behind = bench.put("2", 1);
    sent& third = bench.put("3", 1);
    sent& other = bench.put("y", 2);
    bench.pass(20s);
    CHECK(other.over());
    CHECK_FALSE(stuck.over());
    CHECK_FALSE(behind.over());
    CHECK(std::ranges::count(bench.to_kafka, "2") == 0);
    bench.thaw(1);
    bench.pass(3s);
    for (const sent* each : {&stuck, &behind, &third}) {
        CHECK(each->completions == 1);
        CHECK_FALSE(each->ec);
    }
    CHECK(std::ranges::find(bench.to_kafka, "2") < std::ranges::find(bench.to_kafka, "3"));
    CHECK(bench.whole->health().what == state::connected);
}

TEST_CASE(
    "when all of Kafka goes, what its client has ends within the decision time and a second") {
    for (const policy how : {policy::deliver, policy::fail}) {
        CAPTURE(static_cast<int>(how));
        line_bench bench(how);
        sent& lost = bench.put("1", 1);
        bench.away();
        CHECK_FALSE(lost.over()); // the client may hear yet
        sent& behind = bench.put("2", 1, 1000);
        bench.time.pass(2900ms);
        CHECK_FALSE(lost.over());
        bench.time.pass(600ms);
        CHECK(lost.ec == errc::maybe_sent);
        CHECK(behind.over());
        CHECK(behind.ec ==
              (how == policy::fail ? make_error_code(errc::unavailable) : std::error_code()));
        bench.answer_kafka(errc::timed_out);
        CHECK(lost.completions == 1);
    }
}

TEST_CASE("without routes to look at, too") {
    cobus::testing::failover_bench bench;
    bench.connected();
    sent& lost = bench.publish("1");
    bench.away();
    sent& behind = bench.publish("2", policy::deliver, true, "t", "other");
    CHECK_FALSE(behind.over());
    bench.time.pass(3s);
    CHECK(lost.ec == errc::maybe_sent);
    CHECK(bench.to_memory == names{"2"});
    CHECK(behind.over());
    bench.answer_kafka();
    CHECK(lost.completions == 1);
    bench.stop();
    CHECK(bench.stopped.times == 1);
}

TEST_CASE("when Kafka is back before its client hears of what it had, that is answered in time, "
          "too, and what came later is only slow") {
    for (const policy how : {policy::deliver, policy::fail}) {
        CAPTURE(static_cast<int>(how));
        line_bench bench(how);
        sent& lost = bench.put("1", 1);
        bench.away();
        sent& behind = bench.put("2", 1);
        bench.back();
        REQUIRE(bench.whole->health().what == state::connected);
        sent& fresh = bench.put("3", 1);
        bench.time.pass(1900ms);
        CHECK_FALSE(lost.over());
        bench.time.pass(600ms);
        CHECK(lost.ec == errc::maybe_sent);
        CHECK(behind.ec == (how == policy::fail ? errc::unavailable : errc::maybe_sent));
        bench.time.pass(10s);
        CHECK_FALSE(fresh.over());
        bench.answer_live();
        CHECK(fresh.over());
        CHECK_FALSE(fresh.ec);
        CHECK(lost.completions == 1);
        CHECK(bench.to_memory.empty());
    }
}

TEST_CASE("it is so without routes to look at, and when Kafka goes again") {
    cobus::testing::failover_bench bench;
    bench.connected();
    sent& lost = bench.publish("1");
    bench.away();
    bench.back();
    sent& second = bench.publish("2");
    bench.time.pass(500ms);
    bench.away();
    bench.back();
    sent& fresh = bench.publish("3");
    bench.time.pass(500ms);
    CHECK(lost.ec == errc::maybe_sent);
    CHECK_FALSE(second.over());
    bench.time.pass(1500ms); // three seconds since it was known that Kafka is away
    CHECK(second.ec == errc::maybe_sent);
    bench.time.pass(10s);
    CHECK_FALSE(fresh.over());
    bench.answer_kafka();
    CHECK_FALSE(fresh.ec);
    CHECK(fresh.completions == 1);
}

TEST_CASE("what is under way when Kafka refuses for good is answered in time") {
    line_bench bench(policy::deliver);
    sent& lost = bench.put("1", 1);
    bench.kafka->is(cobus::link::failed, "wrong password");
    bench.time.pass(3500ms);
    CHECK(bench.whole->health().what == state::failed);
    CHECK(lost.ec == errc::maybe_sent);
}

TEST_CASE("when a partition is back before the client hears of all that it had there, that is "
          "answered in time, too") {
    for (const policy how : {policy::deliver, policy::fail}) {
        CAPTURE(static_cast<int>(how));
        line_bench bench(how);
        bench.freeze(1);
        sent& first = bench.put("1", 1);
        for (int i = 0; i < 25; ++i) {
            sent& other = bench.put("x", 0);
            bench.pass(100ms);
            CHECK(other.over());
        }
        bench.lingering.insert("2");
        sent& late = bench.put("2", 1);
        (void)bench.answered_after(first);
        REQUIRE(bench.whole->health().routes.size() == 1);
        bench.thaw(1); // and the first is acknowledged
        bench.pass(1500ms);
        REQUIRE(bench.whole->health().what == state::connected);
        CHECK_FALSE(late.over());
        sent& fresh = bench.put("3", 1);
        bench.pass(100ms);
        CHECK(fresh.over());
        bench.pass(1s);
        CHECK(late.ec == errc::maybe_sent);
        bench.lingering.clear();
        bench.pass(1s);
        CHECK(late.completions == 1);
    }
}

TEST_CASE("what the client answers in time after all is what its publisher hears") {
    line_bench bench(policy::deliver);
    sent& late = bench.put("1", 1);
    bench.away();
    bench.time.pass(2s);
    bench.answer_live();
    CHECK(late.completions == 1);
    CHECK_FALSE(late.ec);
    CHECK_FALSE(late.where.degraded());
}

TEST_CASE("events without a key go to partitions that answer") {
    line_bench bench(policy::fail);
    bench.freeze(1);
    (void)bench.answered_after(bench.put("1", 1));
    sent& node = bench.all.emplace_back("t", "", "free", policy::fail);
    node.content = cobus::make_message();
    node.content->topic("t");
    node.content->payload(node.name);
    REQUIRE(bench.whole->publish(node, true) == taken::pending);
    CHECK(bench.on_the_way.back()->partition != 1);
    CHECK(bench.on_the_way.back()->partition >= 0);
    bench.pass(100ms);
    CHECK(node.over());
}

struct line_record {
    sent* node = nullptr;
    int key = -1;
    bool in_kafka = false; ///< or with its client
    bool acknowledged = false;
    bool in_memory = false;
    bool unsure = false; ///< the client said so
    cobus::failover::clock::time_point since{};
};

/// A bus that publishes at random while brokers of three freeze and come back and now and then all
/// of Kafka goes, and that checks at each step that everybody is answered in time, once, and that
/// nothing passes an older event of its key.
class line_walk : public cobus::testing::route_walk<line_record> {
public:
    explicit line_walk(unsigned seed) : route_walk(seed, limits()) {
        bench_.kafka->on_publish = [this](cobus::publish_node& node) { to_kafka(node); };
        bench_.memory->on_publish = [this](cobus::publish_node& node) { to_memory(node); };
        bench_.connected();
    }
    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            act();
            check();
        }
        all_return();
        memory_answers(true);
        pass(15s);
        check();
        REQUIRE(bench_.whole->health().what == state::connected);
        for (const line_record& each : all_) {
            CAPTURE(each.node->name);
            REQUIRE(each.node->completions == 1);
            const bool reached = each.acknowledged || each.in_memory;
            REQUIRE((reached || each.node->ec));
            REQUIRE((each.node->when_away != policy::wait || each.acknowledged || each.unsure));
        }
    }

private:
    struct begun {
        cobus::publish_node* node;
        std::int32_t partition;
        clock::time_point since;
        clock::time_point lingers{}; ///< so long the client hears nothing of it
    };

    static auto limits() -> cobus::transport_options {
        cobus::transport_options options;
        options.wait_limit = 24h;
        return options;
    }

    void act() {
        const unsigned what = dice(100);
        if (what < 45) {
            publish();
        } else if (what < 62) {
            freeze_or_thaw();
            linger();
        } else if (what < 65) {
            lose_or_find_kafka();
            linger();
        } else if (what < 72) {
            memory_answers(dice(2) == 0);
        } else if (what < 90) {
            pass(std::chrono::milliseconds(dice(600)));
        } else {
            pass(std::chrono::milliseconds(dice(4000)));
        }
    }
    /// What the client has of gates that are closed: it hears of some of it late, even if they
    /// open.
    void linger() {
        const cobus::health now = bench_.whole->health();
        for (begun& each : begun_) {
            const auto is_its = [&each](const cobus::closed_route& route) {
                return route.topic == each.node->content->topic() &&
                       route.partition == each.partition;
            };
            const bool closed = now.routes.empty() ? now.what == state::degraded
                                                   : std::ranges::any_of(now.routes, is_its);
            if (closed && dice(3) == 0) {
                each.lingers = bench_.time.now() + std::chrono::milliseconds(dice(8000));
                saw("lingers");
            }
        }
    }
    void memory_answers(bool at_once) {
        memory_waits_ = !at_once;
        if (at_once) {
            bench_.memory->answer_at_once = std::error_code();
            bench_.memory->answer_all();
            memory_since_ = bench_.time.now();
        } else {
            bench_.memory->answer_at_once.reset();
        }
        bench_.time.settle();
    }
    void publish() {
        static constexpr std::array<policy, 3> policies{policy::deliver, policy::wait,
                                                        policy::fail};
        const std::size_t line = dice(3);
        route_walk::publish("t" + std::to_string(line), policies.at(line),
                            static_cast<int>(line) * 6);
    }
    void pass(std::chrono::milliseconds length) {
        route_walk::pass(length, [this] { answer(); });
    }
    /// Of live brokers an acknowledgement; of others, 10 s later, that the client gave it up.
    void answer() {
        for (std::size_t i = 0; i < begun_.size();) {
            const begun each = begun_[i];
            const bool silent = bench_.time.now() < each.lingers ||
                                bench_.kafka->partitions_away.contains(each.partition) ||
                                bench_.kafka->state().what != cobus::link::up;
            line_record& mine = of(*each.node);
            const bool waits = mine.node->when_away == policy::wait;
            if (silent && (waits || bench_.time.now() - each.since < 10s)) {
                ++i;
                continue;
            }
            begun_.erase(begun_.begin() + static_cast<std::ptrdiff_t>(i));
            std::error_code ec;
            if (silent) {
                mine.in_kafka = false;
                ec = dice(3) == 0 ? errc::maybe_sent : errc::timed_out;
                mine.unsure = ec == errc::maybe_sent;
                saw("given up");
            } else {
                mine.acknowledged = true;
                each.node->where.position(each.partition, next_++);
            }
            (void)bench_.kafka->answer_at(i, ec);
        }
        bench_.time.settle();
    }

    void to_kafka(cobus::publish_node& node) {
        line_record& mine = of(node);
        begun_.push_back({&node, partition_of(node), bench_.time.now()});
        must(!mine.acknowledged && !mine.in_memory && !mine.in_kafka, __LINE__);
        must(!mine.node->over(), __LINE__);
        mine.in_kafka = true;
        for (const line_record& each : all_) {
            if (each.key != mine.key || mine.key < 0) {
                continue;
            }
            if (&each < &mine) { // whoever was not answered is with the client, too, before it
                must(each.node->over() || each.in_kafka, __LINE__);
            } else if (&each > &mine) {
                must(!each.in_kafka, __LINE__);
            }
        }
        saw("to Kafka");
    }
    void to_memory(cobus::publish_node& node) {
        line_record& mine = of(node);
        must(mine.node->when_away == policy::deliver, __LINE__);
        must(!mine.in_kafka && !mine.acknowledged && !mine.in_memory && !mine.unsure, __LINE__);
        must(!mine.node->over(), __LINE__);
        mine.in_memory = true;
        for (const line_record& each : all_) {
            if (each.key != mine.key || mine.key < 0) {
                continue;
            }
            if (&each < &mine) { // nothing older may come later
                must(each.node->over() || each.in_memory, __LINE__);
                must(!each.in_kafka || each.node->over(), __LINE__); // its publisher was told
            } else if (&each > &mine) {
                must(!each.in_memory, __LINE__);
            }
        }
        saw_in_process();
    }
    void check() {
        check_rules();
        for (const line_record& each : all_) {
            if (!each.node->over() && each.node->when_away != policy::wait && !memory_waits_) {
                CAPTURE(each.node->name);
                REQUIRE(bench_.time.now() - (std::max)(each.since, memory_since_) < 5s);
            }
        }
    }

    std::vector<begun> begun_;
    std::int64_t next_ = 0;
    bool memory_waits_ = false;
    clock::time_point memory_since_{};
};

TEST_CASE("whatever freezes and returns, deliver, wait and fail keep the order and answer once") {
    cobus::testing::walk_many_ways<line_walk>(5);
}

} // namespace line_route_tests
