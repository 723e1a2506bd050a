#include "../../examples/file_transport/file_transport.hpp"
#include "conformance.hpp"
#include "temporary_folder.hpp"

#include <cobus/testing.hpp>

namespace {

using cobus::testing::transport_traits;
using cobus::testing::without;

/// The example of a transport that was written from the docs.
struct file_fixture {
    static constexpr transport_traits traits{
        .groups = without("a folder has one reader"),
        .several_instances = without("one bus at a time uses a folder"),
        .metadata_commit = without("it keeps offsets only"),
        .transactions = without("files have none"),
        .back_pressure = without("a file takes whatever is published"),
        .size_limit = without("a file takes any size"),
        .fault_injection = without("nothing stands between a publish and the file"),
        .restartable = without("there is no server")};

    [[nodiscard]] auto transport() const -> cobus::transport_factory {
        return cobus::simple<file_transport>(folder.path());
    }

    cobus::test::temporary_folder folder;
};

} // namespace

TEST_CASE("a transport in two coroutines conforms") {
    cobus::test::run_conformance<file_fixture>();
}

TEST_CASE("a transport in two coroutines conforms on a context that two threads run") {
    cobus::test::run_conformance<file_fixture>({.threads = 2});
}
