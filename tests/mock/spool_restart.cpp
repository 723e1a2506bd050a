#include "free_ports.hpp"
#include "mock_cluster.hpp"
#include "order_event.hpp"
#include "quiet.hpp"
#include "run.hpp"
#include "temporary_folder.hpp"

#include <cobus/kafka.hpp>
#include <cobus/sqlite.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

// Processes that publish while Kafka is away and are killed: what they were told to be durable is
// in Kafka after the next one found their spool.

namespace spool_restart {

namespace net = cobus::net;

using cobus::test::order;

auto settings_of(const std::string& brokers, const std::string& spool) -> cobus::settings {
    cobus::settings how = cobus::test::quiet();
    how.kafka(true)
        .brokers(brokers)
        .group_id("orders")
        .when_away(cobus::policy::deliver_and_spool)
        .spool(cobus::sqlite_spool())
        .spool_file(spool)
        .property("reconnect.backoff.ms", "20")
        .property("reconnect.backoff.max.ms", "100");
    return how;
}

void append(const std::string& path, const std::string& line) {
    const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    (void)!::write(file, line.data(), line.size()); // in one, which a kill does not divide
    ::close(file);
}

/// Publishes on and on where nothing listens, and tells what was answered, until it is killed.
[[noreturn]] void live(const std::string& spool, const std::string& log, int first) {
    net::io_context context;
    const std::string nowhere = "127.0.0.1:" + std::to_string(cobus::test::free_ports(1));
    net::co_spawn(
        context,
        [&]() -> net::awaitable<void> {
            cobus::bus bus(context.get_executor(), settings_of(nowhere, spool), cobus::kafka());
            co_await bus.start();
            for (int number = first;; ++number) {
                const order next{"k" + std::to_string(number % 3), number};
                const cobus::receipt receipt = co_await bus.publish(next);
                if (receipt.spooled() && receipt.durable()) {
                    append(log, receipt.id().str() + " " + std::to_string(number) + "\n");
                }
            }
        },
        net::detached);
    for (;;) {
        context.run_for(std::chrono::hours(1));
        context.restart();
    }
}

/// Ids by number.
auto answered(const std::string& log) -> std::map<int, std::string> {
    std::map<int, std::string> all;
    std::ifstream in(log);
    std::string text;
    while (std::getline(in, text)) {
        std::istringstream words(text);
        std::string id;
        int number = 0;
        words >> id >> number;
        all[number] = id;
    }
    return all;
}

TEST_CASE("what killed processes were told to be durable is in Kafka, once the next one ran") {
    const cobus::test::temporary_folder folder;
    const std::string spool = (folder.path() / "spool.db").string();
    const std::string log = (folder.path() / "answered").string();
    for (int round = 0; round < 3; ++round) { // before this process has any thread
        const std::size_t before = answered(log).size();
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            live(spool, log, round * 1'000'000);
        }
        const auto begun = std::chrono::steady_clock::now();
        while (answered(log).size() < before + 200 &&
               std::chrono::steady_clock::now() - begun < std::chrono::seconds(60)) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));
        REQUIRE(answered(log).size() >= before + 200);
    }
    const std::map<int, std::string> told = answered(log);

    cobus::test::mock_cluster cluster;
    cluster.create_topic("orders", 3);
    std::map<std::string, std::vector<int>> in_kafka; // first copies, by key
    std::map<int, std::string> ids;
    net::io_context context;
    cobus::test::run(context, [&]() -> net::awaitable<void> {
        {
            cobus::bus bus(context.get_executor(), settings_of(cluster.brokers(), spool),
                           cobus::kafka());
            co_await bus.start();
            co_await bus.until(cobus::state::connected);
            CHECK(bus.health().kept.messages == 0);
            const order last{"k0", 9'000'000};
            (void)co_await bus.publish(last);
            co_await bus.stop();
            CHECK(bus.left().messages == 0);
        }
        const std::string elsewhere = (folder.path() / "judge.db").string();
        cobus::bus judge(context.get_executor(), settings_of(cluster.brokers(), elsewhere),
                         cobus::kafka());
        auto reader = judge.on<order>("judge", [&](const order& each, cobus::context& from) {
            if (ids.emplace(each.number, from.content().id().str()).second) {
                in_kafka[each.key].push_back(each.number);
            }
        });
        co_await judge.start();
        co_await cobus::test::until([&] {
            return ids.contains(9'000'000) &&
                   std::all_of(told.begin(), told.end(),
                               [&](const auto& each) { return ids.contains(each.first); });
        });
        co_await judge.stop();
    });
    for (const auto& [number, id] : told) {
        CHECK(ids[number] == id);
    }
    for (const auto& [key, numbers] : in_kafka) {
        CAPTURE(key);
        CHECK(std::is_sorted(numbers.begin(), numbers.end()));
    }
    MESSAGE(told.size() << " answered, " << ids.size() - 1 << " in Kafka");
}

} // namespace spool_restart
