#pragma once

#include "route_bench.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace cobus::testing {

/// What walks over three brokers have in common that freeze and come back at random: the dice, the
/// events by their numbers, the rule that was broken first, and how often what came about.
/// `Record` has the members `node`, `key` (negative: none) and `since`.
template <class Record>
class route_walk {
public:
    [[nodiscard]] auto coverage() const -> const std::map<std::string, int>& { return seen_; }

protected:
    using clock = failover::clock;

    explicit route_walk(unsigned seed, transport_options with = {})
        : bench_(std::move(with)), random_(seed) {}

    auto dice(unsigned sides) -> unsigned { return static_cast<unsigned>(random_() % sides); }
    auto some_partition() -> std::int32_t { return static_cast<std::int32_t>(dice(3)); }

    void freeze_or_thaw() {
        const std::int32_t partition = some_partition();
        dice(2) == 0 ? bench_.freeze(partition) : bench_.thaw(partition);
    }
    void lose_or_find_kafka() {
        bench_.kafka->is(dice(3) == 0 ? link::down : link::up);
        bench_.time.settle();
    }
    void all_return() {
        bench_.kafka->partitions_away.clear();
        bench_.kafka->is(link::up);
    }

    /// Publishes the next one, with one of six keys, two in each partition, or with none.
    void publish(const std::string& topic, policy how, int first_key = 0) {
        const int key = static_cast<int>(dice(7)); // the last one stands for none
        sent& node = nodes_.emplace_back(topic, "", std::to_string(all_.size()), how);
        if (key < 6) {
            node.content->key(key_in(key % 3, key < 3 ? 0 : 100));
        } else {
            node.content = make_message();
            node.content->topic(topic);
            node.content->payload(node.name);
        }
        Record& made = all_.emplace_back();
        made.node = &node;
        made.key = key < 6 ? first_key + key : -1;
        made.since = bench_.time.now();
        if (bench_.whole->publish(node, true) == taken::done) {
            node.completed(node);
        }
        bench_.time.settle();
    }
    /// Time passes, with `answer` asked each 100 ms.
    template <class Answer>
    void pass(std::chrono::milliseconds length, Answer answer) {
        constexpr std::chrono::milliseconds step(100);
        for (auto rest = length; rest.count() > 0; rest -= step) {
            answer();
            bench_.time.pass((std::min)(rest, step));
        }
        answer();
    }

    auto of(const publish_node& node) -> Record& {
        return all_[static_cast<std::size_t>(std::stoul(std::string(node.content->payload())))];
    }
    /// The partition to which Kafka's client sends it.
    auto partition_of(const publish_node& node) -> std::int32_t {
        const std::int32_t known = bench_.kafka->partition_for(*node.content, node.partition);
        return known >= 0 ? known : some_partition();
    }
    /// Noted, since a transport must not throw; `check_rules` fails then.
    void must(bool holds, int line) { broken_ = broken_ == 0 && !holds ? line : broken_; }
    void check_rules() const {
        REQUIRE_MESSAGE(broken_ == 0, "the rule of line ", broken_);
        for (const Record& each : all_) {
            REQUIRE(each.node->completions <= 1);
        }
    }
    void saw(const std::string& what) { ++seen_[what]; }
    void saw_in_process() {
        saw(bench_.whole->health().routes.empty() ? "in process, all away"
                                                  : "in process, a part away");
    }

    route_bench bench_;
    std::vector<Record> all_;

private:
    std::mt19937 random_;
    std::deque<sent> nodes_;
    std::map<std::string, int> seen_;
    int broken_ = 0;
};

/// Goes many ways, on which each of `kinds` has to come about at least 20 times.
template <class Walk>
void walk_many_ways(std::size_t kinds) {
    constexpr unsigned ways = 150;
    constexpr int steps = 200;
    std::map<std::string, int> seen;
    for (unsigned seed = 1; seed <= ways; ++seed) {
        CAPTURE(seed);
        Walk it(seed);
        it.run(steps);
        for (const auto& [what, times] : it.coverage()) {
            seen[what] += times;
        }
    }
    for (const auto& [what, times] : seen) {
        MESSAGE(what << ": " << times);
        CHECK(times >= 20);
    }
    CHECK(seen.size() == kinds);
}

} // namespace cobus::testing
