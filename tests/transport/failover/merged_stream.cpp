#include "failover_bench.hpp"

#include <cobus/detail/intern.hpp>
#include <cobus/transport/failover/merged_stream.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <vector>

using namespace cobus::testing;
using cobus::delivery;
using cobus::polled;
using cobus::signal;
using cobus::topic_partition;
using cobus::detail::merged_stream;

namespace {

const std::string* const topic = cobus::detail::intern("t");

/// A merged stream over two scripted ones.
struct both {
    quiet_waker ready;
    std::atomic<cobus::state> at{cobus::state::connected};
    merged_stream whole{ready, at};
    scripted_stream* kafka = nullptr;
    scripted_stream* memory = nullptr;
    std::array<delivery, 8> room{};

    both() {
        auto first = std::make_unique<scripted_stream>(whole.kafka_ready());
        auto second = std::make_unique<scripted_stream>(whole.memory_ready());
        kafka = first.get();
        memory = second.get();
        memory->as.dies_with_process = true;
        kafka->as.commit_messages = 77;
        whole.open(std::move(first), std::move(second));
    }
    auto poll() -> polled { return whole.poll(room); }
};

auto from(std::int32_t partition, std::int64_t offset, std::uint32_t epoch = 1) -> delivery {
    delivery made;
    made.where = {topic, partition};
    made.offset = offset;
    made.epoch = epoch;
    return made;
}

} // namespace

TEST_CASE("what is in process is flagged, numbered apart and read first") {
    both test;
    test.kafka->bring(from(0, 7));
    test.memory->bring(from(0, 3));
    CHECK(test.ready.wakes == 2);
    polled got = test.poll();
    REQUIRE(got.what == signal::messages);
    REQUIRE(got.count == 1);
    CHECK(test.room[0].in_process);
    CHECK(test.room[0].where == topic_partition{topic, -2});
    CHECK(test.room[0].offset == 3);
    const std::uint32_t memory_epoch = test.room[0].epoch;
    got = test.poll();
    REQUIRE(got.what == signal::messages);
    CHECK_FALSE(test.room[0].in_process);
    CHECK(test.room[0].where == topic_partition{topic, 0});
    CHECK(test.room[0].epoch != memory_epoch);
    CHECK(test.poll().what == signal::none);
}

TEST_CASE("assignments keep to their side in epoch and partitions") {
    both test;
    test.memory->say({signal::assigned, 5, {{topic, 0}, {topic, 1}}});
    test.kafka->say({signal::assigned, 5, {{topic, 0}, {topic, 1}}});
    const polled local = test.poll();
    REQUIRE(local.what == signal::assigned);
    CHECK(local.partitions[0] == topic_partition{topic, -2});
    CHECK(local.partitions[1] == topic_partition{topic, -3});
    const std::uint32_t local_epoch = local.epoch;
    const polled remote = test.poll();
    REQUIRE(remote.what == signal::assigned);
    CHECK(remote.partitions[1] == topic_partition{topic, 1});
    CHECK(remote.epoch != local_epoch);
    test.whole.settled(remote.epoch);
    CHECK(test.kafka->epochs == std::vector<std::uint32_t>{5});
    CHECK(test.memory->epochs.empty());
    test.whole.settled(local_epoch);
    CHECK(test.memory->epochs == std::vector<std::uint32_t>{5});
}

TEST_CASE("deliveries are given back and committed where they came from") {
    both test;
    test.memory->bring(from(1, 3, 4));
    test.kafka->bring(from(1, 9, 6));
    std::array<delivery, 2> mixed{};
    REQUIRE(test.poll().count == 1);
    mixed[0] = test.room[0];
    REQUIRE(test.poll().count == 1);
    mixed[1] = test.room[0];

    told done;
    std::vector<cobus::position> here{{mixed[0].where, 4, {}}};
    test.whole.commit(here, mixed[0].epoch, done);
    std::vector<cobus::position> there{{mixed[1].where, 10, {}}};
    test.whole.commit(there, mixed[1].epoch, done);
    CHECK(done.times == 2);
    REQUIRE(test.memory->committed.size() == 1);
    CHECK(test.memory->committed[0].where == topic_partition{topic, 1});
    CHECK(test.memory->epochs == std::vector<std::uint32_t>{4});
    REQUIRE(test.kafka->committed.size() == 1);
    CHECK(test.kafka->committed[0].offset == 10);
    CHECK(test.kafka->epochs == std::vector<std::uint32_t>{6});

    test.whole.give_back(mixed);
    REQUIRE(test.memory->given_back.size() == 1);
    CHECK(test.memory->given_back[0].where == topic_partition{topic, 1});
    CHECK(test.memory->given_back[0].epoch == 4);
    REQUIRE(test.kafka->given_back.size() == 1);
    CHECK(test.kafka->given_back[0].epoch == 6);
}

TEST_CASE("while a partition in memory is held, Kafka brings signals but no messages") {
    both test;
    test.whole.hold({topic, -2}, true);
    REQUIRE(test.memory->holds.size() == 1);
    CHECK(test.memory->holds[0].first == topic_partition{topic, 0});
    test.kafka->bring(from(0, 1));
    CHECK(test.poll().what == signal::none);
    test.kafka->say({signal::assigned, 1, {{topic, 0}}});
    CHECK(test.poll().what == signal::assigned);
    const int before = test.ready.wakes;
    test.whole.hold({topic, -2}, false);
    CHECK(test.ready.wakes == before + 1);
    CHECK(test.poll().what == signal::messages);
}

TEST_CASE("a held partition in memory that is revoked holds nothing back any more") {
    both test;
    test.whole.hold({topic, -3}, true);
    test.kafka->bring(from(0, 1));
    CHECK(test.poll().what == signal::none);
    test.memory->say({signal::revoked, 1, {{topic, 1}}});
    CHECK(test.poll().what == signal::revoked);
    CHECK(test.poll().what == signal::messages);
}

TEST_CASE("a busy memory does not keep Kafka's signals waiting") {
    both test;
    for (int i = 0; i < 100; ++i) {
        test.memory->bring(from(0, i));
    }
    test.kafka->say({signal::revoked, 1, {{topic, 0}}});
    CHECK(test.poll().what == signal::messages);
    CHECK(test.poll().what == signal::revoked);
    CHECK(test.poll().what == signal::messages);
}

TEST_CASE("a memory without news is not asked") {
    both test;
    CHECK(test.poll().what == signal::none);
    const std::size_t asked = test.memory->rooms.size();
    for (int i = 0; i < 10; ++i) {
        test.kafka->bring(from(0, i));
        CHECK(test.poll().what == signal::messages);
    }
    CHECK(test.memory->rooms.size() == asked);
}

TEST_CASE("an empty room asks for signals, and loses no news of messages") {
    both test;
    test.memory->bring(from(0, 1));
    test.kafka->bring(from(0, 2));
    CHECK(test.whole.poll({}).what == signal::none);
    CHECK(test.poll().what == signal::messages);
    CHECK(test.poll().what == signal::messages);
}

TEST_CASE("it is closed when both are") {
    both test;
    told done;
    test.whole.close(done);
    CHECK(done.times == 1);
    int closed = 0;
    for (int i = 0; i < 5; ++i) {
        closed += test.poll().what == signal::closed ? 1 : 0;
    }
    CHECK(closed == 1);
}

TEST_CASE("when stopping, only what would die with the process is brought") {
    both test;
    CHECK(test.whole.traits().dies_with_process);
    CHECK(test.whole.traits().commit_messages == 77);
    test.whole.drain();
    CHECK(test.memory->draining);
    test.kafka->bring(from(0, 1));
    test.memory->bring(from(0, 2));
    CHECK(test.poll().what == signal::messages);
    CHECK(test.room[0].in_process);
    CHECK(test.poll().what == signal::none);
}

TEST_CASE("topics are asked of both") {
    failover_bench bench;
    bench.connected();
    cobus::interest wanted{"g", {topic}};
    quiet_waker ready;
    const auto stream = bench.whole->subscribe(wanted, ready);
    CHECK(bench.kafka->last_stream->topics == wanted.topics);
    CHECK(bench.memory->last_stream->topics == wanted.topics);
    stream->update({"g", {}});
    CHECK(bench.kafka->last_stream->topics.empty());
    CHECK(bench.memory->last_stream->topics.empty());
}

TEST_CASE("it receives when the side does that publishes go to now") {
    both test;
    CHECK(test.whole.receives());
    test.kafka->ready_for_news = false;
    CHECK_FALSE(test.whole.receives());
    test.at = cobus::state::degraded;
    CHECK(test.whole.receives());
    test.at = cobus::state::connecting;
    test.kafka->ready_for_news = true;
    CHECK_FALSE(test.whole.receives());
}
