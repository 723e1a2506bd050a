#include "differential.hpp"

#include "mock_cluster.hpp"

#include <cobus/kafka.hpp>

#include <chrono>
#include <cstdint>
#include <string>

// COBUS_DIFFERENTIAL_MEMORY and COBUS_DIFFERENTIAL_MOCK are the numbers of scripts on memory, and
// on librdkafka's mock cluster.

namespace mock_differential {

/// A cluster for each script.
struct mock_side {
    static constexpr cobus::testing::transport_traits traits =
        cobus::test::differential::memory_side::traits;

    [[nodiscard]] static auto transport() -> cobus::transport_factory { return cobus::kafka(); }
    void configure(cobus::settings& how) const {
        how.kafka(true)
            .brokers(cluster.brokers())
            .property("fetch.wait.max.ms", "10")
            .property("session.timeout.ms", "3000")
            .property("heartbeat.interval.ms", "500");
    }
    void create_topic(const std::string& name, int partitions) {
        cluster.create_topic(name, partitions);
    }
    cobus::test::mock_cluster cluster{1};
};

} // namespace mock_differential

TEST_CASE("handlers on memory see what a script says, whatever happens") {
    using namespace cobus::test::differential;
    const std::uint32_t scripts = number_of("COBUS_DIFFERENTIAL_MEMORY", 3000);
    const script::matrix covered = play_all<memory_side>(scripts, 8);
    if (scripts >= 3000) {
        for (const auto& [cell, count] : covered) {
            CHECK(count >= 20);
        }
    }
}

// A group of the mock forms anew within the session's time less a second, and loses what comes
// meanwhile: it gets its time.
TEST_CASE("handlers see the same on memory and on a mock of Kafka, whatever happens") {
    using namespace cobus::test::differential;
    const std::uint32_t scripts = number_of("COBUS_DIFFERENTIAL_MOCK", 64);
    play_all<mock_differential::mock_side>(scripts, 64, pace{std::chrono::milliseconds(1500)});
}
