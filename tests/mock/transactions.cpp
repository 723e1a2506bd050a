#include "../support/kafka_options.hpp"
#include "../support/mock_cluster.hpp"
#include "../support/plain_client.hpp"
#include "../support/transport_driver.hpp"

#include <cobus/kafka.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <set>
#include <span>
#include <string>
#include <vector>

// The mock cluster checks neither ids nor epochs, and shows what was aborted: what fencing is for
// is tests/kafka/transactions.cpp's to show, and what becomes of publishes is this one's.

namespace transactions_test {

using namespace cobus;
using namespace cobus::test;
using namespace std::chrono_literals;

auto transactional(const mock_cluster& cluster) -> transport_options {
    transport_options options = quick_kafka(cluster.brokers());
    options.properties["transactional.id"] = "shop-1";
    return options;
}

struct transacted {
    transacted() { cluster.create_topic("orders", 1); }

    void start() { REQUIRE_FALSE(bus.start()); }
    void publish(std::size_t count, policy when_away = policy::wait) {
        for (std::size_t i = 0; i < count; ++i) {
            nodes.emplace_back("orders", "k", std::to_string(nodes.size()));
            nodes.back().when_away = when_away;
            REQUIRE(bus.get().publish(nodes.back(), true) == taken::pending);
        }
    }
    /// Those that were refused.
    auto refused() -> std::size_t {
        std::size_t count = 0;
        for (auto& each : nodes) {
            REQUIRE(each.ended.reaches(1));
            count += each.ec ? std::size_t{1} : 0;
        }
        return count;
    }
    /// What the topic has, without further copies, which readers of committed messages do not see.
    auto last_copies() -> std::vector<std::string> {
        std::set<std::string> seen;
        std::vector<std::string> found;
        const std::size_t count = plain_count(cluster.brokers(), "orders");
        const auto all = plain_consume(cluster.brokers(), "orders", count);
        for (auto each = all.rbegin(); each != all.rend(); ++each) {
            if (seen.insert(each->payload).second) {
                found.push_back(each->payload);
            }
        }
        std::ranges::reverse(found);
        return found;
    }
    auto published() -> std::vector<std::string> {
        std::vector<std::string> all;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            if (!nodes[i].ec) {
                all.push_back(std::to_string(i));
            }
        }
        return all;
    }

    mock_cluster cluster;
    transport_driver bus{kafka(), transactional(cluster)};
    std::deque<test_publish> nodes;
};

} // namespace transactions_test

TEST_CASE("with a transactional id publishers hear of the commit, in order, and many share one") {
    transactions_test::transacted here;
    here.start();
    here.publish(1);
    CHECK(here.refused() == 0);
    here.publish(1000);
    CHECK(here.refused() == 0);
    CHECK(here.last_copies() == here.published());
    CHECK_FALSE(here.bus.stop());
}

TEST_CASE("between two transactions there is room for who does not wait") {
    using namespace transactions_test;
    transacted here;
    here.cluster.push_answer(1, kafka_request::end_txn, RD_KAFKA_RESP_ERR_NO_ERROR, 300ms);
    here.start();
    here.publish(1);
    while (plain_count(here.cluster.brokers(), "orders") == 0) {
    }
    CHECK(here.nodes.front().ended.count() == 0); // the log has it, and readers will not see it yet
    here.nodes.emplace_back("orders", "k", "1");
    CHECK(here.bus.get().publish(here.nodes.back(), false) == taken::pending);
    CHECK(here.refused() == 0);
    CHECK_FALSE(here.bus.stop());
}

TEST_CASE("a coordinator that is not ready is asked again") {
    using namespace transactions_test;
    transacted here;
    here.cluster.push_errors(kafka_request::init_producer_id,
                             {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS});
    here.cluster.push_errors(kafka_request::add_partitions_to_txn,
                             {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS});
    here.cluster.push_errors(kafka_request::end_txn,
                             {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS});
    here.start();
    here.publish(10);
    CHECK(here.refused() == 0);
    CHECK(here.last_copies() == here.published());
    CHECK_FALSE(here.bus.stop());
}

TEST_CASE("what shared a transaction with a failure goes again in the next, in order") {
    using namespace transactions_test;
    transacted here;
    here.start();
    here.publish(1);
    CHECK(here.refused() == 0);
    SUBCASE("of a batch") {
        here.cluster.push_errors(kafka_request::produce, {RD_KAFKA_RESP_ERR_INVALID_RECORD});
    }
    SUBCASE("of a partition that the transaction could not have") {
        here.cluster.push_errors(kafka_request::add_partitions_to_txn,
                                 {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING});
    }
    std::size_t twice = 0; // at least, with what was aborted
    SUBCASE("of the commit") {
        twice = 1;
        here.cluster.push_errors(kafka_request::end_txn,
                                 {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING});
    }
    here.publish(50);
    CHECK(here.refused() == 0);
    CHECK(here.last_copies() == here.published());
    CHECK(plain_count(here.cluster.brokers(), "orders") >= here.nodes.size() + twice);
    CHECK_FALSE(here.bus.stop());
}

TEST_CASE("who alone is in a transaction that is refused for good is meant, and others go on") {
    using namespace transactions_test;
    transacted here;
    here.start();
    here.cluster.push_errors(kafka_request::add_partitions_to_txn,
                             {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
    here.publish(1);
    CHECK(here.refused() == 1);
    CHECK(here.nodes.front().ec == errc::not_authorized);
    here.publish(5);
    CHECK(here.refused() == 1);
    CHECK(here.last_copies() == here.published());
    CHECK_FALSE(here.bus.stop());
}

TEST_CASE("an id that another client has taken ends the publishing, and says so") {
    using namespace transactions_test;
    transacted here;
    here.start();
    here.publish(1);
    CHECK(here.refused() == 0);
    here.cluster.push_errors(kafka_request::produce, {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH});
    here.publish(5, policy::spool);
    CHECK(here.refused() == 5);
    CHECK(here.nodes.back().ec == condition::fatal);
    const link_state now = here.bus.get().state();
    CHECK(now.what == link::failed);
    CHECK(now.detail.find("another client has this one's transactional.id now") !=
          std::string::npos);
    CHECK_FALSE(here.bus.stop());
}

TEST_CASE("a transaction that the cluster ended for its age goes again, by another client") {
    using namespace transactions_test;
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_options options = transactional(cluster);
    options.delivery_timeout = 1000ms;
    options.properties["transaction.timeout.ms"] = "1000";
    options.properties["socket.timeout.ms"] = "1100";
    options.spool_behind = true; // so that the event waits for ever
    transport_driver bus{kafka(), options};
    REQUIRE_FALSE(bus.start());
    test_publish first("orders", "k", "first");
    first.when_away = policy::spool;
    REQUIRE_FALSE(bus.publish(first));
    cluster.push_answer(1, kafka_request::produce, RD_KAFKA_RESP_ERR_NO_ERROR, 5s);
    cluster.push_answer(1, kafka_request::produce, RD_KAFKA_RESP_ERR_NO_ERROR, 5s);
    cluster.push_answer(1, kafka_request::produce, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 0s);
    test_publish second("orders", "k", "second");
    second.when_away = policy::spool;
    CHECK_FALSE(bus.publish(second));
    CHECK(bus.get().state().what == link::up);
    CHECK_FALSE(bus.stop());
}

TEST_CASE("who may not use a transactional id is refused its publishes, and no more") {
    using namespace transactions_test;
    transacted here;
    here.cluster.push_errors(kafka_request::init_producer_id,
                             {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED});
    here.start();
    here.nodes.emplace_back("orders", "k", "v");
    if (here.bus.get().publish(here.nodes.back(), true) == taken::pending) {
        REQUIRE(here.nodes.back().ended.reaches(1));
    }
    CHECK(here.nodes.back().ec == errc::not_authorized);
    CHECK(here.bus.get().state().what == link::up);
    CHECK_FALSE(here.bus.stop());
}

TEST_CASE("an outage in the middle of transactions loses nothing and keeps the order") {
    using namespace transactions_test;
    transacted here;
    here.start();
    here.publish(1);
    CHECK(here.refused() == 0);
    here.cluster.push_answer(1, kafka_request::produce, RD_KAFKA_RESP_ERR_NO_ERROR, 200ms);
    here.publish(20);
    here.cluster.down();
    here.publish(20);
    here.cluster.up();
    here.publish(20);
    CHECK(here.refused() == 0);
    CHECK(here.last_copies() == here.published());
    CHECK_FALSE(here.bus.stop());
}

TEST_CASE("a coordinator that does not answer is away for all routes, and a slow broker is not") {
    using namespace transactions_test;
    mock_cluster cluster;
    cluster.create_topic("orders", 1);
    transport_options options = transactional(cluster);
    options.decision_time = 500ms;
    transport_driver bus{kafka(), options};
    REQUIRE_FALSE(bus.start());
    test_publish first("orders", "k", "first");
    REQUIRE_FALSE(bus.publish(first));
    const auto blames_coordinator = [&bus] {
        const waiting_route waiting{{detail::intern("orders"), 0}, 600ms, 0ms};
        const auto away = bus.get().routes_away(std::span(&waiting, 1));
        return std::ranges::any_of(away, [](const route_trouble& each) {
            return each.detail.find("coordinates transactions") != std::string::npos;
        });
    };
    kafka_request slow = kafka_request::produce;
    SUBCASE("slow") {}
    SUBCASE("away") { slow = kafka_request::end_txn; }
    cluster.push_answer(1, slow, RD_KAFKA_RESP_ERR_NO_ERROR, 1500ms);
    test_publish second("orders", "k", "second");
    REQUIRE(bus.get().publish(second, true) == taken::pending);
    bool blamed = false;
    while (!second.ended.reaches(1, 10ms)) {
        blamed = blamed || blames_coordinator();
    }
    CHECK(blamed == (slow == kafka_request::end_txn));
    CHECK_FALSE(second.ec);
    test_publish third("orders", "k", "third");
    CHECK_FALSE(bus.publish(third));
    CHECK_FALSE(blames_coordinator());
    CHECK_FALSE(bus.stop());
}

TEST_CASE("a stop ends in time whatever a transaction waits for") {
    using namespace transactions_test;
    transacted here;
    SUBCASE("the id") {
        here.cluster.push_answer(1, kafka_request::init_producer_id, RD_KAFKA_RESP_ERR_NO_ERROR,
                                 5s);
    }
    SUBCASE("an acknowledgement") {
        here.cluster.push_answer(1, kafka_request::produce, RD_KAFKA_RESP_ERR_NO_ERROR, 5s);
    }
    SUBCASE("the commit") {
        here.cluster.push_answer(1, kafka_request::end_txn, RD_KAFKA_RESP_ERR_NO_ERROR, 5s);
    }
    here.start();
    here.publish(20);
    const auto before = std::chrono::steady_clock::now();
    CHECK_FALSE(here.bus.stop(500ms));
    CHECK(std::chrono::steady_clock::now() - before < 2s);
    for (const auto& each : here.nodes) {
        CHECK(each.ended.count() == 1);
        CHECK((each.ec == errc::timed_out || each.ec == errc::maybe_sent));
    }
}
