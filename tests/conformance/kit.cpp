#include "conformance.hpp"

#include <cobus/testing.hpp>
#include <cobus/transport/memory.hpp>

#include <memory>

namespace {

using cobus::testing::transport_traits;
using cobus::testing::without;

/// Memory behind all that the kit puts before a transport, with no fault in the script.
struct kit_fixture {
    static constexpr transport_traits traits{
        .metadata_commit = without("nobody reads it back"),
        .transactions = without("there are none in memory"),
        .size_limit = without("memory takes any size"),
        .offset_gaps = without("offsets in memory have no gaps"),
        .growing_topics = without("a topic in memory keeps its partitions"),
        .fault_injection = without("the script is empty"),
        .restartable = without("the broker is this process"),
        .cluster_faults = without("the broker is this process"),
        .keeps_for_later = without("the broker is this process")};

    [[nodiscard]] auto transport() const -> cobus::transport_factory {
        return [inner = cobus::testing::faulty(cobus::memory(broker), script),
                log = log](const cobus::transport_options& how) {
            return std::make_unique<cobus::testing::detail::tap>(inner(how), log);
        };
    }

    std::shared_ptr<cobus::memory_broker> broker = std::make_shared<cobus::memory_broker>();
    cobus::testing::fault_script script;
    std::shared_ptr<cobus::testing::detail::kit_log> log =
        std::make_shared<cobus::testing::detail::kit_log>(nullptr);
};

} // namespace

TEST_CASE("what the kit puts before a transport changes nothing of it") {
    cobus::test::run_conformance<kit_fixture>();
}

TEST_CASE("nor on a context that two threads run") {
    cobus::test::run_conformance<kit_fixture>({.threads = 2});
}
