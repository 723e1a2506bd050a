#include "memory_peer.hpp"

#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace cobus;
using texts = std::vector<std::string>;

TEST_CASE("What is published arrives in order, with offsets from 0 without gaps") {
    const auto bus = memory()(small_options());
    memory_peer peer(*bus, "g", {"t"});
    for (int i = 0; i < 5; ++i) {
        const publish_node sent = publish(*bus, "t", std::to_string(i), "k");
        CHECK(sent.ec == std::error_code());
        CHECK(sent.where.partition() == 0);
        CHECK(sent.where.offset() == i);
        CHECK(sent.where.topic() == "t");
        CHECK(sent.where.way() == path::memory);
        CHECK_FALSE(sent.where.durable());
    }
    peer.run();
    REQUIRE(peer.got.size() == 5);
    for (int i = 0; i < 5; ++i) {
        const delivery& each = peer.got[static_cast<std::size_t>(i)];
        CHECK(each.offset == i);
        CHECK(*each.where.topic == "t");
        CHECK(each.in_process);
    }
    CHECK(peer.take() == texts{"0", "1", "2", "3", "4"});
}

TEST_CASE("A group that subscribes later reads from the beginning, or from then on") {
    auto broker = std::make_shared<memory_broker>();
    transport_options options = small_options();
    const auto bus = memory(broker)(options);
    options.from = start_at::latest;
    const auto late = memory(broker)(options);
    publish(*bus, "t", "before");
    memory_peer all(*bus, "all", {"t"});
    memory_peer rest(*late, "rest", {"t"});
    all.run();
    rest.run();
    publish(*bus, "t", "after");
    all.run();
    rest.run();
    CHECK(all.take() == texts{"before", "after"});
    CHECK(rest.take() == texts{"after"});
}

TEST_CASE("After a crash the next member begins at what was committed") {
    const auto bus = memory()(small_options());
    for (int i = 0; i < 4; ++i) {
        publish(*bus, "t", std::to_string(i));
    }
    {
        memory_peer first(*bus, "g", {"t"});
        first.run();
        CHECK(first.take().size() == 4);
        CHECK_FALSE(first.commit("t", 0, 2));
    }
    memory_peer second(*bus, "g", {"t"});
    second.run();
    CHECK(second.take() == texts{"2", "3"});
}

TEST_CASE("A poll that found nothing is followed by one wake, however much comes") {
    const auto bus = memory()(small_options(4));
    memory_peer peer(*bus, "g", {"t"});
    peer.run();
    peer.ready.wakes = 0;
    for (int i = 0; i < 10; ++i) {
        publish(*bus, "t", std::to_string(i));
    }
    CHECK(peer.ready.wakes == 1);
    peer.run();
    CHECK(peer.take().size() == 10);
    publish(*bus, "t", "more");
    CHECK(peer.ready.wakes == 2);
}
