#include "child_process.hpp"
#include "kafka_server.hpp"
#include "limits.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

// As limits.cpp, over a network that drops all packets to and from Kafka: connections stay, what is
// sent is never acknowledged, and nobody hears of the end of a connection. In a network of its own,
// which this program makes for a second run of itself.

namespace packets_dropped_test {

using cobus::test::child_process;
using cobus::test::kafka_server;

constexpr const char* inside = "COBUS_TEST_INSIDE_NETWORK";

auto set(const char* variable) -> std::string_view {
    const char* const value = std::getenv(variable);
    return value != nullptr ? value : "";
}

/// What makes a network, before the words of a command.
auto own_network() -> std::vector<std::string> {
    std::vector<std::string> words{"unshare", "--net",        "--pid",
                                   "--fork",  "--kill-child", "--mount-proc"};
    if (::geteuid() != 0) {
        words.insert(words.begin() + 1, "--map-root-user");
    }
    return words;
}

/// Ends with its status; nothing if it took too long.
auto status_of(std::vector<std::string> words, std::chrono::seconds limit) -> int {
    child_process child(words);
    while (const auto line = child.read_line(limit)) {
        std::printf("%s\n", line->c_str());
    }
    return child.wait(limit) ? child.status() : -1;
}

auto can_drop() -> bool {
    auto words = own_network();
    words.insert(words.end(), {"sh", "-c", "ip link set lo up && nft add table inet probe"});
    return status_of(words, std::chrono::seconds(10)) == 0;
}

/// The rules of the network, of which there is one program's.
void rules(const std::string& lines) {
    const std::string whole = "table inet limits\ndelete table inet limits\ntable inet limits {\n"
                              "chain in { type filter hook input priority 0; policy accept;\n" +
                              lines + "}\n}\n";
    FILE* const nft = ::popen("nft -f -", "w");
    REQUIRE(nft != nullptr);
    std::fputs(whole.c_str(), nft);
    REQUIRE(::pclose(nft) == 0);
}

/// Drops all that goes to the broker and comes from it.
auto dropping(const std::string& broker) -> cobus::test::limits_outage {
    const std::string port = broker.substr(broker.rfind(':') + 1);
    return {[port] { rules("tcp dport " + port + " drop\ntcp sport " + port + " drop\n"); },
            [] { rules(""); }};
}

} // namespace packets_dropped_test

TEST_CASE("packets dropped: from every state, a stop and an end are in time, and all is answered" *
          doctest::skip(packets_dropped_test::set(packets_dropped_test::inside).empty())) {
    const std::string brokers = packets_dropped_test::kafka_server::shared().brokers();
    const auto outage = packets_dropped_test::dropping(brokers);
    for (const auto& each : cobus::test::limits_endings()) {
        cobus::test::limits_end_in(each, brokers, outage);
    }
    cobus::test::limits_end_recovering(brokers, outage);
}

TEST_CASE("packets dropped: a publish is answered within four seconds" *
          doctest::skip(packets_dropped_test::set(packets_dropped_test::inside).empty())) {
    const std::string brokers = packets_dropped_test::kafka_server::shared().brokers();
    cobus::test::limits_answer(brokers, packets_dropped_test::dropping(brokers));
}

TEST_CASE("what limits promise holds where packets are dropped" *
          doctest::skip(!packets_dropped_test::set(packets_dropped_test::inside).empty())) {
    if (!packets_dropped_test::can_drop()) {
        REQUIRE_MESSAGE(packets_dropped_test::set("CI") != "true",
                        "it needs network namespaces, nftables and iproute2");
        MESSAGE("skipped: packets are not dropped, for want of network namespaces, nftables or "
                "iproute2");
        return;
    }
    const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
    auto words = packets_dropped_test::own_network();
    words.insert(words.end(),
                 {"sh", "-c",
                  "ip link set lo up && exec env " + std::string(packets_dropped_test::inside) +
                      "=1 \"$0\" --test-case='packets dropped*'",
                  self});
    CHECK(packets_dropped_test::status_of(words, std::chrono::minutes(5)) == 0);
}
