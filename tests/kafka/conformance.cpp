#include "conformance.hpp"

#include "kafka_options.hpp"
#include "kafka_server.hpp"
#include "plain_client.hpp"
#include "with_spool.hpp"

#include <cobus/kafka.hpp>
#include <cobus/testing.hpp>

#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace {

using cobus::test::kafka_server;
using cobus::testing::transport_traits;
using cobus::testing::without;

/// A broker dies with the thread that started it, and those of the cases end early.
template <class Work> void on_lasting_thread(Work work) {
    static asio::thread_pool thread(1);
    asio::post(thread, asio::use_future(std::move(work))).get();
}

/// A real Apache Kafka, the same for all cases, whatever a case did to it.
struct kafka_fixture {
    static constexpr transport_traits traits{
        .transactions = without("they are another issue"),
        .cluster_faults = without("one broker has no other to move to, and refuses nothing asked"),
        .keeps_for_later = without("Kafka alone has no spool: it is below"),
        .max_payload = cobus::test::largest_payload,
        .too_large = cobus::test::largest_payload + 1,
        .member_silence = std::chrono::milliseconds(15'000)};

    kafka_fixture() : server(kafka_server::shared()) { up(); }
    kafka_fixture(const kafka_fixture&) = delete;
    auto operator=(const kafka_fixture&) -> kafka_fixture& = delete;
    ~kafka_fixture() {
        if (stalled) { // the case failed in between
            server.thaw();
        }
    }

    [[nodiscard]] auto transport() const -> cobus::transport_factory { return cobus::kafka(); }
    void configure(cobus::settings& how) const {
        how.kafka(true)
            .brokers(server.brokers())
            // New partitions are found when the metadata is asked for again.
            .property("topic.metadata.refresh.interval.ms", "2000")
            .property("reconnect.backoff.max.ms", "200")
            .property("session.timeout.ms", "6000")
            .property("max.poll.interval.ms", "15000")
            .property("heartbeat.interval.ms", "500");
    }
    void create_topic(const std::string& name, int partitions) const {
        cobus::test::plain_create_topic(server.brokers(), name, partitions);
    }
    void add_partitions(const std::string& topic, int total) const {
        cobus::test::plain_add_partitions(server.brokers(), topic, total);
    }
    void leave_gap(const std::string& topic) const {
        cobus::test::plain_leave_gap(server.brokers(), topic);
    }
    void stall() {
        stalled = true;
        server.freeze();
    }
    void resume() {
        if (stalled) {
            server.thaw();
        }
        stalled = false;
    }
    /// Every connection ends, with requests under way.
    void disturb() {
        down();
        up();
    }
    void down() { server.kill(); }
    void up() {
        on_lasting_thread([this] { server.restart(); });
    }

    kafka_server& server;
    bool stalled = false;
};

/// The same, where each bus has a transactional id of its own.
struct fenced_fixture : kafka_fixture {
    void configure(cobus::settings& how) const {
        static std::atomic<unsigned> buses{0};
        kafka_fixture::configure(how);
        how.transactional_id("conformance-" + std::to_string(++buses));
    }
};

/// In CI those that differ most.
auto only(std::string_view those) -> std::string_view {
    return cobus::test::conformance_detail::variable("COBUS_TEST_LONG").empty() ? those : "";
}

} // namespace

TEST_CASE("Kafka conforms on a real broker") { cobus::test::run_conformance<kafka_fixture>(); }

// COBUS_TEST_LONG=1: all of these, too.

TEST_CASE("Kafka with a spool conforms on a real broker") {
    cobus::test::run_conformance<cobus::test::with_spool<kafka_fixture>>({.only = only("C7")});
}
TEST_CASE("Kafka in transactions conforms on a real broker") {
    cobus::test::run_conformance<fenced_fixture>({.only = only("C0,C1")});
}
TEST_CASE("Kafka in transactions with a spool conforms on a real broker") {
    cobus::test::run_conformance<cobus::test::with_spool<fenced_fixture>>({.only = only("C7")});
}
