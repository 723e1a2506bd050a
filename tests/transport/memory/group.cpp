#include "memory_peer.hpp"

#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

using namespace cobus;
using texts = std::vector<std::string>;

TEST_CASE("Two groups each get everything") {
    const auto bus = memory()(small_options());
    memory_peer one(*bus, "one", {"t"});
    memory_peer two(*bus, "two", {"t"});
    one.run();
    two.run();
    publish(*bus, "t", "a");
    publish(*bus, "t", "b");
    one.run();
    two.run();
    CHECK(one.take() == texts{"a", "b"});
    CHECK(two.take() == texts{"a", "b"});
}

TEST_CASE("Two members of a group share the partitions, and each message reaches one of them") {
    const auto bus = memory()(small_options(4));
    memory_peer one(*bus, "g", {"t"});
    one.run();
    CHECK(one.owned.size() == 4);
    memory_peer two(*bus, "g", {"t"});
    two.run();
    CHECK(two.owned.empty());
    REQUIRE(one.step() == signal::revoked);
    CHECK(one.partitions.size() == 2);
    two.run();
    CHECK_MESSAGE(two.owned.empty(), "a partition moves only when its owner has settled");
    one.give_up();
    two.run();
    one.run();
    CHECK(one.owned.size() == 2);
    CHECK(two.owned.size() == 2);
    for (int i = 0; i < 100; ++i) {
        publish(*bus, "t", std::to_string(i), "key" + std::to_string(i));
    }
    for (int i = 0; i < 8; ++i) {
        one.run();
        two.run();
    }
    CHECK(one.got.size() + two.got.size() == 100);
    CHECK(one.got.size() > 0);
    CHECK(two.got.size() > 0);
    one.give_back();
    two.give_back();
}

TEST_CASE("What a member keeps in a rebalance keeps flowing, under the epoch it had") {
    const auto bus = memory()(small_options(2));
    memory_peer one(*bus, "g", {"t"});
    one.run();
    const auto before = one.owned;
    memory_peer two(*bus, "g", {"t"});
    REQUIRE(one.step() == signal::revoked);
    REQUIRE(one.partitions.size() == 1);
    const std::int32_t going = one.partitions.front().partition;
    const std::int32_t kept = 1 - going;
    publish(*bus, a_message("t", "kept"), kept);
    publish(*bus, a_message("t", "gone"), going);
    CHECK(one.step() == signal::messages);
    REQUIRE(one.got.size() == 1);
    CHECK(one.got[0].where.partition == kept);
    CHECK(one.got[0].epoch == before[0].second);
    CHECK(one.take() == texts{"kept"});
    CHECK(one.step() == signal::none);
    one.give_up();
    two.run();

    CHECK(two.take() == texts{"gone"});
}

TEST_CASE("A revoked partition may still be committed until it is settled, and not after") {
    const auto bus = memory()(small_options());
    memory_peer one(*bus, "g", {"t", "u"});
    one.run();
    for (int i = 0; i < 3; ++i) {
        publish(*bus, "t", std::to_string(i));
        publish(*bus, "u", std::to_string(i));
    }
    one.run();
    one.give_back();
    const auto owned = one.owned;
    memory_peer two(*bus, "g", {"t", "u"});
    REQUIRE(one.step() == signal::revoked);
    REQUIRE(one.partitions.size() == 1);
    const std::string topic = *one.partitions[0].topic;
    const std::uint32_t epoch = owned[0].second;
    CHECK_FALSE(one.commit(topic, 0, 2, epoch));
    one.give_up();
    CHECK(one.commit(topic, 0, 3, epoch) == errc::not_assigned);
    two.run();
    CHECK_MESSAGE(two.take() == texts{"2"}, "the late commit was not applied");
}

TEST_CASE("A commit under a wrong epoch is refused") {
    const auto bus = memory()(small_options());
    memory_peer one(*bus, "g", {"t"});
    one.run();
    publish(*bus, "t", "a");
    one.run();
    one.give_back();
    CHECK(one.commit("t", 0, 1, one.owned[0].second + 1) == errc::not_assigned);
    CHECK(one.commit("t", 1, 1, one.owned[0].second) == errc::not_assigned);
    CHECK_FALSE(one.commit("t", 0, 1));
}

TEST_CASE("When a member crashes, the others get its partitions and what it had not committed") {
    const auto bus = memory()(small_options(2));
    memory_peer one(*bus, "g", {"t"});
    memory_peer two(*bus, "g", {"t"});
    one.run();
    two.run();
    publish(*bus, a_message("t", "p0"), 0);
    publish(*bus, a_message("t", "p1"), 1);
    one.run();
    two.run();
    CHECK(one.got.size() == 1);
    CHECK(two.got.size() == 1);
    const texts lost = one.take();
    one.crash();
    two.give_back();
    CHECK(two.ready.wakes > 0);
    two.run();
    CHECK(two.owned.size() == 2);
    CHECK(two.take() == lost);
}

TEST_CASE("A member that closes gives up its partitions first, and then is told so") {
    const auto bus = memory()(small_options());
    memory_peer one(*bus, "g", {"t"});
    one.run();
    publish(*bus, "t", "a");
    publish(*bus, "t", "b");
    one.run();
    one.give_back();
    noted_operation closed;
    one.stream().close(closed);
    REQUIRE(one.step() == signal::revoked);
    CHECK(one.commit("t", 0, 1) == std::error_code());
    CHECK(closed.ends == 0);
    one.give_up();
    CHECK(one.step() == signal::closed);
    CHECK(closed.ends == 1);
    CHECK(one.step() == signal::closed);
    memory_peer two(*bus, "g", {"t"});
    two.run();
    CHECK(two.take() == texts{"b"});
}

TEST_CASE("A change of topics revokes what is not wanted and always ends in an assignment") {
    const auto bus = memory()(small_options());
    memory_peer one(*bus, "g", {"t"});
    one.run();
    one.stream().update(memory_peer::interest_of("g", {"t", "u"}));
    REQUIRE(one.step() == signal::assigned);
    REQUIRE(one.partitions.size() == 1);
    CHECK(*one.partitions[0].topic == "u");
    one.stream().update(memory_peer::interest_of("g", {"u"}));
    REQUIRE(one.step() == signal::revoked);
    CHECK(*one.partitions[0].topic == "t");
    one.give_up();
    CHECK(one.step() == signal::assigned);
    CHECK(one.partitions.empty());
}

TEST_CASE("A held partition gives nothing, others go on, and letting it go wakes") {
    const auto bus = memory()(small_options(2));
    memory_peer one(*bus, "g", {"t"});
    one.run();
    one.stream().hold({detail::intern("t"), 0}, true);
    publish(*bus, a_message("t", "held"), 0);
    publish(*bus, a_message("t", "free"), 1);
    one.run();
    CHECK(one.take() == texts{"free"});
    one.ready.wakes = 0;
    one.stream().hold({detail::intern("t"), 0}, false);
    CHECK(one.ready.wakes == 1);
    one.run();
    CHECK(one.take() == texts{"held"});
}

TEST_CASE("What handlers still read stays after the member is abandoned") {
    auto broker = std::make_shared<memory_broker>(memory_broker::history::drop);
    const auto bus = memory(broker)(small_options());
    memory_peer one(*bus, "g", {"t"});
    one.run();
    publish(*bus, "t", "still read");
    one.run();
    one.stream().abandon();
    memory_peer two(*bus, "g", {"t"});
    two.run();
    CHECK(two.take() == texts{"still read"});
    CHECK_FALSE(two.commit("t", 0, 1));
    CHECK(broker->first_offset("t", 0) == 0);
    CHECK(one.take() == texts{"still read"});
    CHECK(broker->first_offset("t", 0) == 1);
}

TEST_CASE("Metadata of a commit is kept with it") {
    auto broker = std::make_shared<memory_broker>();
    const auto bus = memory(broker)(small_options());
    memory_peer one(*bus, "g", {"t"});
    one.run();
    CHECK(broker->committed("g", "t", 0).offset == 0);
    publish(*bus, "t", "a");
    one.run();
    one.give_back();
    CHECK_FALSE(one.commit("t", 0, 1, one.owned[0].second, "done: 1"));
    CHECK(broker->committed("g", "t", 0).offset == 1);
    CHECK(broker->committed("g", "t", 0).metadata == "done: 1");
    CHECK(broker->committed("h", "t", 0).offset == -1);
    CHECK(broker->members("g") == 1);
}
