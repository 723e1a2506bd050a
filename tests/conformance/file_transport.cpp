#include "../../examples/file_transport/file_transport.hpp"

#include "conformance.hpp"
#include "temporary_folder.hpp"

#include <cobus/testing.hpp>

namespace {

using cobus::testing::transport_traits;
using cobus::testing::without;

/// The transport of the example, in a folder of its own for each case.
struct file_fixture {
    static constexpr transport_traits traits{
        .groups = without("one bus reads a folder"),
        .several_instances = without("one bus reads a folder"),
        .companions = without("the example gives out no partitions"),
        .metadata_commit = without("the example keeps the offset alone"),
        .transactions = without("the example has none"),
        .back_pressure = without("a file takes everything"),
        .size_limit = without("a file takes any size"),
        .offset_gaps = without("offsets in a file have no gaps"),
        .growing_topics = without("a topic in files keeps its partitions"),
        .fault_injection = without("files answer at once"),
        .restartable = without("nothing is behind the file"),
        .cluster_faults = without("nothing is behind the file"),
        .keeps_for_later = without("nothing is behind the file")};

    [[nodiscard]] auto transport() const -> cobus::transport_factory {
        return cobus::simple<file_transport>(folder.path());
    }

    cobus::test::temporary_folder folder;
};

} // namespace

TEST_CASE("the file transport of the examples conforms where it claims to") {
    cobus::test::run_conformance<file_fixture>();
}
