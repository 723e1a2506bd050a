#include "route_bench.hpp"
#include "route_walk.hpp"

#include <cobus/detail/intern.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using cobus::policy;
using cobus::state;
using cobus::taken;
using cobus::testing::route_bench;
using cobus::testing::sent;

namespace route_tests {

using names = std::vector<std::string>;

TEST_CASE("a publish to a broker that fell silent is answered within 4 s, and others go on") {
    route_bench bench;
    bench.connected();
    bench.keep("warm", 1);
    bench.pass(100ms);
    bench.freeze(1);
    sent& stuck = bench.keep("1", 1);
    const auto before = bench.time.now();
    while (!stuck.over() && bench.time.now() - before < 10s) {
        sent& other = bench.keep("x", 0);
        bench.pass(100ms);
        CHECK(other.over());
        CHECK_FALSE(other.where.spooled());
    }
    CHECK(bench.time.now() - before < 4s);
    CHECK(bench.time.now() - before >= 3s);
    CHECK(stuck.where.spooled());
    const cobus::health now = bench.whole->health();
    CHECK(now.what == state::degraded);
    REQUIRE(now.routes.size() == 1);
    CHECK(now.routes[0].topic == "t");
    CHECK(now.routes[0].partition == 1);
    CHECK(now.routes[0].why == "mute");
    CHECK(now.why == "mute");
    CHECK(bench.lines.back().find("a part is away (t/1: mute)") != std::string::npos);

    sent& next = bench.keep("2", 1); // at once
    CHECK(next.over());
    CHECK(next.where.spooled());
    sent& other = bench.keep("y", 2);
    bench.pass(100ms);
    CHECK(other.over());
    CHECK_FALSE(other.where.spooled());

    bench.thaw(1);
    bench.pass(1500ms);
    CHECK(bench.whole->health().what == state::connected);
    CHECK(bench.whole->health().routes.empty());
    CHECK(bench.whole->health().kept.messages == 0);
    CHECK(bench.to_kafka.back() == "2");
    CHECK(std::ranges::count(bench.to_kafka, "1") == 1);
    CHECK(std::ranges::count(bench.to_kafka, "2") == 1);
}

TEST_CASE("whether older ones are still to come back is asked of the key's partition alone") {
    route_bench bench;
    bench.connected();
    bench.keep("1", 0);
    bench.pass(100ms); // Kafka has it, and it was not handled here yet
    bench.away();
    bench.keep("2", 0);
    bench.keep("3", 1); // nothing was ever published there
    CHECK(bench.to_memory == names{"3"});
}

TEST_CASE("events without a key go to partitions whose gates are open, and wait when none is") {
    route_bench bench;
    bench.connected();
    const auto keyless = [&](std::string text) -> sent& {
        sent& node = bench.all.emplace_back("t", "", std::move(text), policy::spool);
        node.content = cobus::make_message();
        node.content->topic("t");
        node.content->payload(node.name);
        if (bench.whole->publish(node, true) == taken::done) {
            node.completed(node);
        }
        bench.time.settle();
        return node;
    };
    for (const std::int32_t partition : {1, 2}) {
        bench.freeze(partition);
        bench.keep("stuck", partition);
    }
    bench.pass(4s);
    REQUIRE(bench.whole->health().routes.size() == 2);
    sent& goes = keyless("free");
    CHECK(bench.on_the_way.back()->partition == 0);
    bench.pass(100ms);
    CHECK(goes.over());
    CHECK_FALSE(goes.where.spooled());
    bench.freeze(0);
    bench.keep("stuck", 0);
    bench.pass(4s);
    REQUIRE(bench.whole->health().routes.size() == 3);
    CHECK(keyless("kept").where.spooled());
    bench.kafka->partitions_away.clear();
    bench.pass(5s);
    CHECK(bench.whole->health().what == state::connected);
    CHECK(bench.to_kafka.back() == "kept");
}

struct kept_record {
    sent* node = nullptr;
    int key = -1;
    bool in_memory = false;
    int times_in_kafka = 0;
    bool acknowledged = false;
    bool handled = false;
    cobus::failover::clock::time_point since{};
};

/// A bus that publishes at random while brokers of three freeze and come back, and now and then all
/// of Kafka goes, and that checks at each step that everybody is answered in time and nothing
/// passes an older event of its key, on whichever way.
class kept_walk : public cobus::testing::route_walk<kept_record> {
public:
    explicit kept_walk(unsigned seed) : route_walk(seed) {
        bench_.kafka->on_publish = [this](cobus::publish_node& node) { to_kafka(node); };
        bench_.memory->on_publish = [this](cobus::publish_node& node) { to_memory(node); };
        bench_.connected();
        stream_ = bench_.whole->subscribe({"g", {cobus::detail::intern("t")}}, ready_);
    }
    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            act();
            check();
        }
        all_return();
        pass(5s);
        check();
        REQUIRE(bench_.whole->health().kept.messages == 0);
        REQUIRE(bench_.whole->health().what == state::connected);
        for (const kept_record& each : all_) {
            CAPTURE(each.node->name);
            REQUIRE(each.times_in_kafka == 1);
        }
    }

private:
    void act() {
        const unsigned what = dice(100);
        if (what < 45) {
            publish("t", dice(3) == 0 ? policy::spool : policy::deliver_and_spool);
        } else if (what < 60) {
            freeze_or_thaw();
        } else if (what < 63) {
            lose_or_find_kafka();
        } else if (what < 75) {
            read_back();
        } else if (what < 90) {
            pass(std::chrono::milliseconds(dice(600)));
        } else {
            pass(std::chrono::milliseconds(dice(4000)));
        }
    }
    /// Handlers of this process are through with all that they got from Kafka.
    void read_back() {
        for (std::int32_t partition = 0; partition < 3; ++partition) {
            stream_->handled({cobus::detail::intern("t"), partition}, next_[partition]);
        }
        for (kept_record& each : all_) {
            each.handled = each.handled || each.acknowledged;
        }
    }
    void pass(std::chrono::milliseconds length) {
        route_walk::pass(length, [this] { answer(); });
    }
    void answer() {
        for (std::size_t i = 0; i < on_the_way_.size();) {
            const auto [node, partition] = on_the_way_[i];
            if (bench_.kafka->partitions_away.contains(partition) ||
                bench_.kafka->state().what != cobus::link::up) {
                ++i;
                continue;
            }
            on_the_way_.erase(on_the_way_.begin() + static_cast<std::ptrdiff_t>(i));
            of(*node).acknowledged = true;
            node->where.position(partition, next_[partition]++);
            (void)bench_.kafka->answer_at(i);
        }
        bench_.time.settle();
    }

    void to_kafka(cobus::publish_node& node) {
        kept_record& mine = of(node);
        on_the_way_.emplace_back(&node, partition_of(node));
        must(++mine.times_in_kafka == 1, __LINE__);
        for (const kept_record& each : all_) {
            const bool older = &each < &mine && each.key == mine.key && mine.key >= 0;
            must(!older || each.times_in_kafka > 0, __LINE__);
        }
        saw(mine.node->over() ? "replayed" : "directly");
    }
    void to_memory(cobus::publish_node& node) {
        kept_record& mine = of(node);
        must(mine.times_in_kafka == 0 && !mine.in_memory, __LINE__);
        must(mine.node->when_away == policy::deliver_and_spool, __LINE__);
        mine.in_memory = true;
        for (const kept_record& each : all_) {
            const bool older = &each < &mine && each.key == mine.key && mine.key >= 0;
            must(!older || each.in_memory || each.handled, __LINE__);
        }
        saw_in_process();
    }
    void check() {
        check_rules();
        for (const kept_record& each : all_) {
            if (!each.node->over() && bench_.kafka->state().what == cobus::link::up) {
                CAPTURE(each.node->name);
                REQUIRE(bench_.time.now() - each.since < 4s);
            }
        }
        saw(std::string(to_string(bench_.whole->health().what)));
    }

    cobus::testing::quiet_waker ready_;
    std::unique_ptr<cobus::stream> stream_;
    std::vector<std::pair<cobus::publish_node*, std::int32_t>> on_the_way_;
    std::map<std::int32_t, std::int64_t> next_{{0, 0}, {1, 0}, {2, 0}};
};

TEST_CASE("with brokers that freeze and return at random, all are answered in time and in order") {
    cobus::testing::walk_many_ways<kept_walk>(7);
}

} // namespace route_tests
