#include "broken_transport.hpp"

#include <cobus/testing.hpp>
#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A suite that cannot fail shows nothing: each fault is found by the case that is about it.

namespace {

using namespace std::chrono_literals;
using cobus::test::broken_transport;
using cobus::test::fault;
using cobus::testing::transport_traits;
using cobus::testing::without;

/// Memory with the fault that a test has chosen.
struct broken_fixture {
    static constexpr transport_traits traits{
        .metadata_commit = without("nobody reads it back"),
        .transactions = without("there are none in memory"),
        .size_limit = without("memory takes any size"),
        .offset_gaps = without("offsets in memory have no gaps"),
        .growing_topics = without("a topic in memory keeps its partitions"),
        .fault_injection = without("nothing stands between a publish and the log"),
        .restartable = without("the broker is this process"),
        .cluster_faults = without("the broker is this process"),
        .keeps_for_later = without("the broker is this process")};

    [[nodiscard]] auto transport() const -> cobus::transport_factory {
        return [make = cobus::memory(broker)](const cobus::transport_options& options) {
            return std::make_unique<broken_transport>(make(options), chosen);
        };
    }

    static inline fault chosen = fault::none;
    std::shared_ptr<cobus::memory_broker> broker = std::make_shared<cobus::memory_broker>();
};

/// What a case says of memory with that fault; empty when it is content.
auto problem_of(std::string_view id, fault what, std::chrono::seconds patience) -> std::string {
    const auto all = cobus::testing::conformance<broken_fixture>();
    const auto found =
        std::ranges::find(all, id, [](const auto& each) -> std::string_view { return each.id; });
    REQUIRE_MESSAGE(found != all.end(), "no case ", std::string(id));
    REQUIRE(found->skip.empty());
    broken_fixture::chosen = what;
    cobus::testing::run_options how;
    how.size = cobus::testing::case_size::brief;
    how.patience = patience;
    try {
        found->run(how);
    } catch (const std::exception& e) {
        return e.what();
    }
    return std::string();
}

struct expected {
    fault what;
    std::string_view id;
    std::string_view says; ///< part of the problem
};

/// The case is content with memory, and names what the fault breaks.
void found_by(const expected& want) {
    CHECK(problem_of(want.id, fault::none, 60s) == "");
    const std::string problem = problem_of(want.id, want.what, 5s);
    REQUIRE_FALSE(want.says.empty());
    CHECK_MESSAGE(!problem.empty(), std::string(want.id), " finds nothing");
    CHECK_MESSAGE(problem.find(want.says) != std::string::npos, std::string(want.id), ": ",
                  problem);
}

} // namespace

TEST_CASE("the suite finds a transport that loses one message in seven") {
    found_by({fault::loses, "C11", "did not end in time"});
    found_by({fault::loses, "C16", "did not end in time"});
}

TEST_CASE("the suite finds a transport that reorders a key") {
    found_by({fault::reorders, "C12", "in the order of their publishing"});
}

TEST_CASE("the suite finds a transport that sends what was cancelled") {
    found_by({fault::sends_cancelled, "C15", "leaves no trace"});
    found_by({fault::sends_cancelled, "C15.deadline", "was never sent"});
}

TEST_CASE("the suite finds a transport that duplicates without limit") {
    found_by({fault::duplicates, "C12", "each once"});
    found_by({fault::duplicates, "C20", "event"});
}

TEST_CASE("the suite finds a transport that commits beyond the lowest unfinished event") {
    found_by({fault::commits_too_far, "C24", "the one that never ended"});
    found_by({fault::commits_unasked, "C24.crash", "did not end in time"});
}

TEST_CASE("the suite finds a transport that forgets commits") {
    found_by({fault::forgets_commits, "C21", "the first after"});
}

TEST_CASE("the suite finds a transport that drops headers") {
    found_by({fault::drops_headers, "C02", "header"});
}

TEST_CASE("the suite finds a transport that mixes keys up") {
    found_by({fault::mixes_keys, "C01", "key"});
}

TEST_CASE("the suite finds a transport that hangs on close") {
    found_by({fault::never_closes, "C60", "it waits for the stop"});
}

TEST_CASE("the suite finds a transport that refuses instead of making publishers wait") {
    found_by({fault::refuses_when_full, "C13", "publishes ended without room for them"});
}
