#include "differential.hpp"

#include "kafka_server.hpp"
#include "plain_client.hpp"

#include <cobus/kafka.hpp>

#include <cstdint>
#include <string>

// COBUS_DIFFERENTIAL_KAFKA is the number of scripts.

namespace kafka_differential {

/// The same broker for all scripts, each with topics and a group of its own.
struct kafka_side {
    static constexpr cobus::testing::transport_traits traits =
        cobus::test::differential::memory_side::traits;

    [[nodiscard]] static auto transport() -> cobus::transport_factory { return cobus::kafka(); }
    static void configure(cobus::settings& how) {
        how.kafka(true)
            .brokers(cobus::test::kafka_brokers())
            .property("fetch.wait.max.ms", "100")
            .property("heartbeat.interval.ms", "200");
    }
    static void create_topic(const std::string& name, int partitions) {
        cobus::test::plain_create_topic(cobus::test::kafka_brokers(), name, partitions);
    }
};

} // namespace kafka_differential

TEST_CASE("handlers see the same on memory and on a real Kafka, whatever happens") {
    namespace differential = cobus::test::differential;
    (void)cobus::test::kafka_brokers(); // started by the thread that outlives all scripts
    const std::uint32_t scripts = differential::number_of("COBUS_DIFFERENTIAL_KAFKA", 300);
    differential::play_all<kafka_differential::kafka_side>(scripts, 32);
}
