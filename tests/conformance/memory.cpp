#include "conformance.hpp"

#include <cobus/testing.hpp>
#include <cobus/transport/memory.hpp>

#include <memory>

namespace {

using cobus::testing::transport_traits;
using cobus::testing::without;

/// Buses that meet at one broker in this process.
struct memory_fixture {
    static constexpr transport_traits traits{
        .transactions = without("there are none in memory"),
        .size_limit = without("memory takes any size"),
        .offset_gaps = without("offsets in memory have no gaps"),
        .growing_topics = without("a topic in memory keeps its partitions"),
        .fault_injection = without("nothing stands between a publish and the log"),
        .restartable = without("the broker is this process"),
        .cluster_faults = without("the broker is this process"),
        .keeps_for_later = without("the broker is this process")};

    [[nodiscard]] auto transport() const -> cobus::transport_factory {
        return cobus::memory(broker);
    }

    std::shared_ptr<cobus::memory_broker> broker = std::make_shared<cobus::memory_broker>();
};

/// The same with every event encoded and decoded, as Kafka would.
struct serialising_fixture : memory_fixture {
    static void configure(cobus::settings& how) { how.serialise(); }
};

} // namespace

TEST_CASE("memory conforms") { cobus::test::run_conformance<memory_fixture>(); }

TEST_CASE("memory conforms when it serialises") {
    cobus::test::run_conformance<serialising_fixture>();
}

TEST_CASE("memory conforms on a context that two threads run") {
    cobus::test::run_conformance<memory_fixture>({.threads = 2});
}
