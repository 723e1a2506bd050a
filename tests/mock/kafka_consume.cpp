#include "../support/mock_scene.hpp"
#include "../support/plain_client.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <new>
#include <string>
#include <vector>

using namespace cobus;
using namespace cobus::test;
using namespace std::chrono_literals;

TEST_CASE("a new group begins at the earliest message, or at the latest when asked") {
    transport_options options;
    SUBCASE("earliest") { options.from = start_at::earliest; }
    SUBCASE("latest") { options.from = start_at::latest; }
    scene here(1, options);
    here.publish(0, 5);
    stream_driver in(here.bus->get(), {"orders"});
    REQUIRE(in.until([&] { return !in.assigned.empty(); }));
    if (options.from == start_at::earliest) {
        CHECK(in.until([&] { return in.seen.size() == 5; }));
    } else {
        int number = 5;
        // Until the first fetch begins, what is new is old again.
        CHECK(in.until([&] {
            here.publish(number, number + 1);
            ++number;
            return !in.seen.empty();
        }));
        CHECK(in.seen.front().offset >= 5);
    }
    CHECK(in.close());
}

TEST_CASE("messages of one partition come in order, each once, with their epoch") {
    scene here(3);
    here.publish(0, 500);
    stream_driver in(here.bus->get(), {"orders"});
    bool epochs = true;
    in.on_message = [&](delivery& each) {
        epochs =
            epochs && each.epoch == in.epoch && each.where.topic == each.content->interned_topic();
        return true;
    };
    REQUIRE(in.until([&] { return in.seen.size() == 500; }));
    CHECK(epochs);
    std::map<std::int32_t, std::int64_t> next;
    for (const seen_message& each : in.seen) {
        CHECK(each.offset == next[each.partition]++);
    }
    CHECK(in.close());
}

TEST_CASE("an idle stream wakes once a second and no more") {
    scene here(1);
    here.publish(0, 1);
    stream_driver in(here.bus->get(), {"orders"});
    REQUIRE(in.until([&] { return in.seen.size() == 1; }));
    const std::size_t before = in.ready.wakes.count();
    CHECK_FALSE(in.until([] { return false; }, 3500ms));
    const std::size_t wakes = in.ready.wakes.count() - before;
    CHECK(wakes >= 2);
    CHECK(wakes <= 5);
    CHECK(in.close());
}

TEST_CASE("a partition that is held gives nothing while others go on") {
    scene here(2);
    here.publish(0, 10, 0);
    here.publish(10, 20, 1);
    stream_driver in(here.bus->get(), {"orders"});
    in.on_rebalance = [&](const polled& what) {
        if (what.what == signal::assigned) {
            in.get().settled(what.epoch);
            in.get().hold({detail::intern("orders"), 0}, true);
            return false;
        }
        return true;
    };
    REQUIRE(in.until([&] { return in.seen.size() == 10; }));
    CHECK(std::ranges::all_of(in.seen, [](const auto& each) { return each.partition == 1; }));
    here.publish(20, 22, 1);
    here.publish(22, 24, 0);
    REQUIRE(in.until([&] { return in.seen.size() == 12; }));
    in.get().hold({detail::intern("orders"), 0}, false);
    REQUIRE(in.until([&] { return in.seen.size() == 24; }));
    CHECK(in.close());
}

TEST_CASE("a busy partition does not starve the others") {
    scene here(2);
    here.publish(0, 2000, 0);
    here.publish(2000, 2010, 1);
    stream_driver in(here.bus->get(), {"orders"});
    in.reading = false;
    REQUIRE(in.until([&] { return !in.assigned.empty(); }));
    CHECK_FALSE(in.until([] { return false; }, 500ms)); // both are prefetched
    in.reading = true;
    REQUIRE(in.until([&] { return in.seen.size() == 2010; }));
    const auto last =
        std::ranges::find_if(in.seen, [](const auto& each) { return each.payload == "2009"; });
    CHECK(last - in.seen.begin() < 200);
    CHECK(in.close());
}

namespace {

/// Structured CloudEvents, numbered, to both partitions in turn.
void publish_envelopes(const scene& to, int count) {
    std::vector<plain_message> all;
    for (int i = 0; i < count; ++i) {
        plain_message next;
        next.headers = {{"content-type", "application/cloudevents+json"}};
        next.payload = std::to_string(i);
        next.partition = i % 2;
        all.push_back(next);
    }
    plain_produce(to.cluster.brokers(), "orders", all);
}
auto to_unwrap(codec_result (*how)(cobus::message&)) -> interest {
    interest wanted;
    wanted.group = "group";
    wanted.topics = {detail::intern("orders")};
    wanted.unwrap = how;
    return wanted;
}

} // namespace

TEST_CASE("messages for which there is no memory come when there is, in order and each once") {
    scene here(2);
    publish_envelopes(here, 20);
    stream_driver in(here.bus->get(), {"orders"});
    static int asked = 0;
    in.get().update(to_unwrap([](cobus::message& /*what*/) -> codec_result {
        if (++asked % 4 == 0) {
            throw std::bad_alloc();
        }
        return codec_result();
    }));
    REQUIRE(in.until([&] { return in.seen.size() == 20; }));
    CHECK(asked > 20);
    std::map<std::int32_t, std::int64_t> next;
    for (const seen_message& each : in.seen) {
        CHECK(each.offset == next[each.partition]++);
    }
    CHECK(in.close());
}

TEST_CASE("a commit does not pass messages that wait for memory") {
    scene here(2);
    publish_envelopes(here, 6);
    stream_driver in(here.bus->get(), {"orders"});
    in.get().update(to_unwrap([](cobus::message& what) -> codec_result {
        if (what.payload() == "4") { // the last of partition 0
            throw std::bad_alloc();
        }
        return codec_result();
    }));
    REQUIRE(in.until([&] { return in.seen.size() == 5; }));
    REQUIRE_FALSE(in.commit(finished(in)));
    CHECK(plain_committed(here.cluster.brokers(), "group", "orders", 0).offset == 2);
    CHECK(plain_committed(here.cluster.brokers(), "group", "orders", 1).offset == 3);
    CHECK(in.close());
}

TEST_CASE("a commit of an assignment that is over is refused") {
    scene here(1);
    here.publish(0, 3);
    stream_driver in(here.bus->get(), {"orders"});
    REQUIRE(in.until([&] { return in.seen.size() == 3; }));
    const std::uint32_t right = in.epoch;
    in.epoch = right + 7;
    CHECK(in.commit(finished(in)));
    in.epoch = right;
    CHECK_FALSE(in.commit(finished(in)));
    CHECK(in.close());
}

TEST_CASE("a commit that the cluster refuses says so, and may be tried again") {
    scene here(1);
    here.publish(0, 3);
    stream_driver in(here.bus->get(), {"orders"});
    REQUIRE(in.until([&] { return in.seen.size() == 3; }));
    here.cluster.push_errors(kafka_request::offset_commit,
                             {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED});
    CHECK(in.commit(finished(in)) == condition::permanent);
    CHECK_FALSE(in.commit(finished(in)));
    CHECK(in.close());
}

TEST_CASE("topics are added to and taken from a subscription while it runs") {
    scene here(1);
    here.cluster.create_topic("more", 1);
    here.publish(0, 3);
    test_publish other("more", "k", "other");
    REQUIRE_FALSE(here.bus->publish(other));
    stream_driver in(here.bus->get(), {"orders"});
    REQUIRE(in.until([&] { return in.seen.size() == 3; }));
    interest both;
    both.topics = {detail::intern("orders"), detail::intern("more")};
    in.get().update(both);
    REQUIRE(in.until([&] { return in.seen.size() == 4; }));
    CHECK(in.seen.back().payload == "other");
    interest one;
    one.topics = {detail::intern("more")};
    in.get().update(one);
    REQUIRE(in.until([&] { return in.assigned.size() == 1; }));
    CHECK(*in.assigned.front().topic == "more");
    CHECK(in.close());
}

TEST_CASE("a topic that is missing is said once, and read when it comes") {
    log_lines lines;
    transport_options options;
    options.log = lines.logger();
    options.create_topics = false;
    scene here(1, options);
    here.cluster.set_topic_error("later", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    stream_driver in(here.bus->get(), {"orders", "later"});
    REQUIRE(in.until([&] { return lines.count("later") > 0; }));
    CHECK_FALSE(in.until([] { return false; }, 2s));
    CHECK(lines.count("later") == 1);
    here.cluster.set_topic_error("later", RD_KAFKA_RESP_ERR_NO_ERROR);
    test_publish node("later", "k", "v");
    REQUIRE_FALSE(here.bus->publish(node));
    CHECK(in.until([&] { return !in.seen.empty(); }));
    CHECK(in.close());
}

TEST_CASE("a topic that comes into being beside others is read within seconds") {
    transport_options options;
    options.create_topics = false;
    scene here(1, options);
    here.cluster.set_topic_error("later", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    stream_driver in(here.bus->get(), {"orders", "later"});
    REQUIRE(in.until([&] { return in.assigned.size() == 1; }));
    CHECK_FALSE(in.get().receives());
    here.cluster.set_topic_error("later", RD_KAFKA_RESP_ERR_NO_ERROR);
    CHECK(in.until([&] { return in.assigned.size() == 5; }, 15s));
    CHECK(in.get().receives());
    CHECK(in.close());
}
