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
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

// Parts H and I of the suite over three brokers of a real Kafka, replication 3 and
// min.insync.replicas 2, where leaders and coordinators move because their broker ends.

namespace cluster_conformance {

using cobus::test::kafka_server;
using cobus::test::plain_client;
using cobus::testing::request;
using cobus::testing::transport_traits;
using cobus::testing::without;

/// Brokers die with the thread that started them, and those of the cases end early.
auto on_lasting_thread(std::function<void()> work) -> std::future<void> {
    static asio::thread_pool thread(1);
    return asio::post(thread, asio::use_future(std::move(work)));
}

auto cluster() -> kafka_server& {
    static kafka_server* made = nullptr;
    if (made == nullptr) {
        on_lasting_thread([] {
            static kafka_server server({.brokers = 3, .properties = {}});
            made = &server;
        }).get();
    }
    return *made;
}

/// Which broker leads it, when one does.
auto leader_of(const std::string& topic, int partition) -> int {
    const plain_client client(RD_KAFKA_PRODUCER, cluster().brokers());
    const std::unique_ptr<rd_kafka_topic_t, decltype(&rd_kafka_topic_destroy)> of(
        rd_kafka_topic_new(client.native(), topic.c_str(), nullptr), rd_kafka_topic_destroy);
    for (int tries = 0; tries < 100; ++tries) {
        const rd_kafka_metadata_t* all = nullptr;
        cobus::test::plain_check(rd_kafka_metadata(client.native(), 0, of.get(), &all, 30'000),
                                 "metadata");
        int leader = -1;
        if (all->topic_cnt == 1 && partition < all->topics[0].partition_cnt) {
            leader = all->topics[0].partitions[partition].leader;
        }
        rd_kafka_metadata_destroy(all);
        if (leader > 0) {
            return leader;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    throw std::runtime_error("nobody leads " + topic);
}

/// As Kafka finds the partition of a group's offsets, of which tests/tools/kafka makes four.
auto coordinator_of(std::string_view group) -> int {
    std::uint32_t hash = 0; // Java's
    for (const char each : group) {
        hash = hash * 31 + static_cast<unsigned char>(each);
    }
    return leader_of("__consumer_offsets", static_cast<int>(hash % 0x80000000U % 4));
}

void set_in_sync(const std::string& topic, int replicas) {
    cobus::test::plain_configure_topic(cluster().brokers(), topic,
                                       {{"min.insync.replicas", std::to_string(replicas)}});
}

/// The same cluster for all cases, whatever a case did to it.
class fixture {
public:
    static constexpr transport_traits traits{.transactions = without("they are another issue"),
                                             .keeps_for_later =
                                                 without("Kafka alone has no spool: it is below"),
                                             .max_payload = cobus::test::largest_payload,
                                             .too_large = cobus::test::largest_payload + 1,
                                             .member_silence = std::chrono::milliseconds(15'000)};

    fixture() { up(); }
    fixture(const fixture&) = delete;
    auto operator=(const fixture&) -> fixture& = delete;
    ~fixture() {
        answer_after({});
        settle();
        resume();
    }

    [[nodiscard]] static auto transport() -> cobus::transport_factory { return cobus::kafka(); }
    void configure(cobus::settings& how) {
        group_ = how.group_id();
        how.kafka(true)
            .brokers(server_.brokers())
            .property("topic.metadata.refresh.interval.ms", "2000")
            .property("reconnect.backoff.max.ms", "200")
            .property("session.timeout.ms", "6000")
            .property("max.poll.interval.ms", "15000")
            .property("heartbeat.interval.ms", "500");
    }
    void create_topic(const std::string& name, int partitions) {
        cobus::test::plain_create_topic(server_.brokers(), name, partitions, 3,
                                        {{"min.insync.replicas", "2"}});
        topics_.push_back(name);
    }
    void add_partitions(const std::string& topic, int total) const {
        cobus::test::plain_add_partitions(server_.brokers(), topic, total);
    }
    void leave_gap(const std::string& topic) const {
        cobus::test::plain_leave_gap(server_.brokers(), topic);
    }

    void stall() {
        settle();
        stalled_ = true;
        server_.freeze();
    }
    void resume() {
        if (std::exchange(stalled_, false)) {
            server_.thaw();
        }
    }
    void disturb() {
        down();
        up();
    }
    void down() {
        settle();
        server_.kill();
    }
    void up() {
        settle();
        begin([this] { server_.restart(); });
        settle();
    }

    void move_leaders(const std::string& topic) { end_for_a_while(leader_of(topic, 0)); }
    void move_coordinator(const std::string& group) { end_for_a_while(coordinator_of(group)); }
    void refuse(request what) {
        switch (what) {
        case request::publish:
            settle();
            for (const std::string& each : topics_) {
                set_in_sync(each, 4); // of three
            }
            begin([topics = topics_] {
                std::this_thread::sleep_for(std::chrono::seconds(1));
                for (const std::string& each : topics) {
                    set_in_sync(each, 2);
                }
            });
            break;
        case request::fetch:
            move_leaders(topics_.back());
            break;
        case request::commit:
        case request::join:
            move_coordinator(group_);
            break;
        }
    }
    /// No broker answers for that time, over and over; as long each runs, or they would not even
    /// hear of each other in time.
    void answer_after(std::chrono::milliseconds time) {
        slow_.store(time);
        if (time.count() == 0) {
            return;
        }
        settle();
        begin([this] {
            for (auto length = slow_.load(); length.count() > 0; length = slow_.load()) {
                server_.freeze();
                std::this_thread::sleep_for(length);
                server_.thaw();
                std::this_thread::sleep_for(length);
            }
        });
    }

private:
    /// Leaders and coordinators move when it ends, and nothing waits for it to be back.
    void end_for_a_while(int broker) {
        settle();
        begin([this, broker] {
            server_.stop(broker);
            server_.restart(broker);
        });
    }
    /// Of what follows, one thing at a time.
    void begin(std::function<void()> trouble) { trouble_ = on_lasting_thread(std::move(trouble)); }
    void settle() {
        if (trouble_.valid()) {
            trouble_.get();
        }
    }

    kafka_server& server_ = cluster();
    std::vector<std::string> topics_;
    std::string group_;
    std::future<void> trouble_;
    std::atomic<std::chrono::milliseconds> slow_{};
    bool stalled_ = false;
};

} // namespace cluster_conformance

TEST_CASE("Kafka with a spool bears what goes wrong in a real cluster of three brokers") {
    cobus::test::run_conformance<cobus::test::with_spool<cluster_conformance::fixture>>(
        {.only = "C7"});
}

// COBUS_TEST_LONG=1: once more without the spool, which takes as long.
TEST_CASE("Kafka alone bears what goes wrong in a real cluster of three brokers" *
          doctest::skip(cobus::test::conformance_detail::variable("COBUS_TEST_LONG").empty())) {
    cobus::test::run_conformance<cluster_conformance::fixture>({.only = "C7"});
}

TEST_CASE("relays keep their promises over a real cluster of three brokers") {
    cobus::test::run_conformance<cobus::test::with_spool<cluster_conformance::fixture>>(
        {.only = "I8"});
}
