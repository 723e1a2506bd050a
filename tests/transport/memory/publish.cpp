#include "memory_peer.hpp"

#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

using namespace cobus;
using namespace std::chrono_literals;
using texts = std::vector<std::string>;

namespace {

auto bounded(std::size_t messages) -> transport_options {
    transport_options options = small_options();
    options.retention_messages = messages;
    return options;
}

} // namespace

TEST_CASE("Messages of one key share a partition, and others are spread") {
    const auto bus = memory()(small_options(8));
    std::set<std::int32_t> seen;
    for (int i = 0; i < 64; ++i) {
        const std::string key = "key" + std::to_string(i);
        const auto first = publish(*bus, "t", "a", key).where.partition();
        CHECK(publish(*bus, "t", "b", key).where.partition() == first);
        seen.insert(first);
    }
    CHECK(seen.size() == 8);
    seen.clear();
    for (int i = 0; i < 8; ++i) {
        seen.insert(publish(*bus, "t", "no key").where.partition());
    }
    CHECK(seen.size() == 8);
}

TEST_CASE("A partition that was asked for is honoured, a wrong one is an error") {
    const auto bus = memory()(small_options(3));
    CHECK(publish(*bus, a_message("t", "a", "key"), 2).where.partition() == 2);
    CHECK(publish(*bus, a_message("t", "a", "key"), 3).ec == errc::no_partition);
}

TEST_CASE("A message without a topic is refused, and stays the caller's") {
    const auto bus = memory()(small_options());
    const publish_node sent = publish(*bus, make_message());
    CHECK(sent.ec == errc::no_topic);
    CHECK(sent.content != nullptr);
}

TEST_CASE("Publishers wait in line while a group is behind, and are let in as it commits") {
    const auto bus = memory()(bounded(4));
    memory_peer peer(*bus, "g", {"t"});
    peer.run();
    for (int i = 0; i < 4; ++i) {
        CHECK_FALSE(publish(*bus, "t", std::to_string(i)).ec);
    }
    CHECK_MESSAGE(publish(*bus, "t", "no").ec == errc::queue_full, "nobody is kept waiting");
    std::array<noted_publish, 3> line;
    for (std::size_t i = 0; i < 3; ++i) {
        line.at(i).content = a_message("t", "late" + std::to_string(i));
        REQUIRE(bus->publish(line.at(i), true) == taken::pending);
    }
    peer.run();
    CHECK(peer.take() == texts{"0", "1", "2", "3"});
    CHECK(line[0].ends == 0);
    CHECK_FALSE(peer.commit("t", 0, 2));
    CHECK(line[0].ends == 1);
    CHECK(line[1].ends == 1);
    CHECK(line[2].ends == 0);
    CHECK(line[0].where.offset() == 4);
    CHECK(line[1].where.offset() == 5);
    CHECK_FALSE(line[0].ec);
    peer.run();
    CHECK(peer.take() == texts{"late0", "late1"});
    CHECK_FALSE(peer.commit("t", 0, 6));
    CHECK(line[2].ends == 1);
    peer.run();
    CHECK(peer.take() == texts{"late2"});
}

TEST_CASE("A withdrawn publish leaves the line without a trace") {
    const auto bus = memory()(bounded(1));
    memory_peer peer(*bus, "g", {"t"});
    peer.run();
    publish(*bus, "t", "first");
    std::array<noted_publish, 3> line;
    for (std::size_t i = 0; i < 3; ++i) {
        line.at(i).content = a_message("t", std::to_string(i));
        REQUIRE(bus->publish(line.at(i), true) == taken::pending);
    }
    CHECK(bus->withdraw(line[1]));
    CHECK(line[1].content != nullptr);
    CHECK_FALSE(bus->withdraw(line[1]));
    texts all;
    for (int i = 0; i < 3; ++i) {
        peer.run();
        for (const std::string& each : peer.take()) {
            all.push_back(each);
        }
        CHECK_FALSE(peer.commit("t", 0, i + 1));
    }
    CHECK(all == texts{"first", "0", "2"});
    CHECK(line[1].ends == 0);
    CHECK_FALSE(bus->withdraw(line[0]));
}

TEST_CASE("Without a group the oldest messages go, and nobody waits") {
    auto broker = std::make_shared<memory_broker>();
    const auto bus = memory(broker)(bounded(100));
    for (int i = 0; i < 1000; ++i) {
        CHECK_FALSE(publish(*bus, "t", std::to_string(i)).ec);
    }
    CHECK(broker->end_offset("t", 0) == 1000);
    CHECK(broker->first_offset("t", 0) >= 900);
    CHECK(broker->first_offset("t", 0) <= 910);
    memory_peer peer(*bus, "g", {"t"});
    peer.run();
    CHECK(peer.got.front().offset == broker->first_offset("t", 0));
    peer.give_back();
}

TEST_CASE("A group without members holds nobody up, and begins again where something is left") {
    auto broker = std::make_shared<memory_broker>();
    std::string said;
    transport_options options = bounded(10);
    options.log = [&said](log_level /*level*/, std::string_view text) { said = text; };
    const auto bus = memory(broker)(options);
    {
        memory_peer gone(*bus, "g", {"t"});
        gone.run();
    }
    for (int i = 0; i < 25; ++i) {
        CHECK_FALSE(publish(*bus, "t", std::to_string(i)).ec);
    }
    memory_peer back(*bus, "g", {"t"});
    back.run();
    CHECK(back.take().front() == "15");
    CHECK(said.find("15 messages were dropped") != std::string::npos);
}

TEST_CASE("When the group that holds publishers up leaves, they are let in") {
    const auto bus = memory()(bounded(1));
    noted_publish waiting;
    {
        memory_peer peer(*bus, "g", {"t"});
        peer.run();
        publish(*bus, "t", "a");
        waiting.content = a_message("t", "b");
        REQUIRE(bus->publish(waiting, true) == taken::pending);
        CHECK(waiting.ends == 0);
    }
    CHECK(waiting.ends == 1);
    CHECK_FALSE(waiting.ec);
}

TEST_CASE("A broker of the bus's own drops what its group has handled, a shared one keeps it") {
    for (const auto how : {memory_broker::history::drop, memory_broker::history::keep}) {
        auto broker = std::make_shared<memory_broker>(how);
        const auto bus = memory(broker)(small_options());
        memory_peer peer(*bus, "g", {"t"});
        peer.run();
        for (int i = 0; i < 300; ++i) {
            publish(*bus, "t", std::to_string(i));
        }
        peer.run();
        peer.give_back();
        CHECK_FALSE(peer.commit("t", 0, 300));
        CHECK(broker->first_offset("t", 0) == (how == memory_broker::history::drop ? 300 : 0));
    }
}

TEST_CASE("What is committed before it is given back goes when it is given back") {
    auto broker = std::make_shared<memory_broker>(memory_broker::history::drop);
    const auto bus = memory(broker)(bounded(1));
    memory_peer peer(*bus, "g", {"t"});
    peer.run();
    publish(*bus, "t", "a");
    peer.run();
    CHECK_FALSE(peer.commit("t", 0, 1));
    noted_publish waiting;
    waiting.content = a_message("t", "b");
    REQUIRE(bus->publish(waiting, true) == taken::pending);
    CHECK(peer.got[0].content->payload() == "a");
    peer.give_back();
    CHECK(waiting.ends == 1);
}

TEST_CASE("After stop nothing is taken, and what is in line fails at the deadline") {
    net::io_context context;
    auto broker = std::make_shared<memory_broker>();
    transport_options options = bounded(1);
    options.executor = context.get_executor();
    const auto other = memory(broker)(options);
    memory_peer behind(*other, "g", {"t"});
    behind.run();
    const auto bus = memory(broker)(options);
    publish(*bus, "t", "a");
    noted_publish waiting;
    waiting.content = a_message("t", "b");
    REQUIRE(bus->publish(waiting, true) == taken::pending);
    noted_operation stopped;
    bus->stop(std::chrono::steady_clock::now() + 10ms, stopped);
    CHECK(publish(*bus, "t", "c").ec == errc::closed);
    CHECK(stopped.ends == 0);
    context.run();
    CHECK(stopped.ends == 1);
    CHECK(waiting.ends == 1);
    CHECK(waiting.ec == errc::timed_out);
    CHECK(bus->state().what == link::failed);
    CHECK_FALSE_MESSAGE(other->state().cause, "another bus on the broker goes on");
}

TEST_CASE("Stop ends as soon as what is in line was let in, and keeps the context no longer") {
    net::io_context context;
    auto broker = std::make_shared<memory_broker>();
    transport_options options = bounded(1);
    options.executor = context.get_executor();
    auto bus = memory(broker)(options);
    memory_peer peer(*bus, "g", {"t"});
    peer.run();
    publish(*bus, "t", "a");
    noted_publish waiting;
    waiting.content = a_message("t", "b");
    REQUIRE(bus->publish(waiting, true) == taken::pending);
    noted_operation stopped;
    bus->stop(std::chrono::steady_clock::now() + 1h, stopped);
    peer.run();
    peer.give_back();
    CHECK_FALSE(peer.commit("t", 0, 1));
    CHECK(stopped.ends == 1);
    CHECK_FALSE(waiting.ec);
    bus.reset();
    context.run();
}
