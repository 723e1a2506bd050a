// How fast events that were kept while Kafka was away go to it, beside plain publishing, over
// librdkafka's mock cluster in the same process.
//
//   replay messages= bytes= window= spool=memory|off|normal|full folder=
//
// plain: published while connected; kept: published while Kafka is away; replay: from its return
// until it has all of them. peak: the most memory that the process had, in MiB.
#include "events.hpp"
#include "floors/measure.hpp"
#include "mock_cluster.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>
#include <cobus/sqlite.hpp>

#include <asio.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace {

using bench::keyed_blob;
using measure::arguments;
using measure::stopwatch;

struct job {
    std::size_t messages, window;
    std::vector<keyed_blob> events;
    std::string file; ///< empty: in memory
    cobus::spool_synchronous how = cobus::spool_synchronous::normal;
};

auto job_of(const arguments& args) -> job {
    job what;
    what.messages = args.number("messages", 1'000'000);
    what.window = args.number("window", 10'000);
    what.events.resize(1000);
    for (std::size_t i = 0; i < what.events.size(); ++i) {
        what.events[i].key = "key-" + std::to_string(1000 + i);
        what.events[i].bytes.assign(args.number("bytes", 100), 'x');
    }
    const std::string spool = args.text("spool", "memory");
    if (spool != "memory") {
        what.file = args.text("folder", ".") + "/replay.spool.db";
        what.how = spool == "off"    ? cobus::spool_synchronous::off
                   : spool == "full" ? cobus::spool_synchronous::full
                                     : cobus::spool_synchronous::normal;
    }
    return what;
}

auto settings_of(const job& what, const std::string& brokers) -> cobus::settings {
    cobus::settings made;
    made.kafka(true).brokers(brokers).spool_limit(what.messages + what.window,
                                                  std::size_t{1} << 32U);
    if (!what.file.empty()) {
        made.spool(cobus::sqlite_spool()).spool_file(what.file).spool_synchronous(what.how);
    }
    return made;
}

auto publish_some(cobus::bus& bus, const job& what, std::size_t& left) -> asio::awaitable<void> {
    while (left != 0) {
        co_await bus.publish(what.events[--left % what.events.size()]);
    }
}

/// Publishes them all, a window of them at the same time.
auto publish_all(cobus::bus& bus, const job& what, std::size_t count) -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer all_done(executor, asio::steady_timer::time_point::max());
    std::size_t left = count;
    std::size_t running = std::min(count, what.window);
    const auto ended = [&](const std::exception_ptr& problem) {
        if (problem) {
            std::rethrow_exception(problem);
        }
        if (--running == 0) {
            all_done.cancel();
        }
    };
    for (std::size_t i = running; i != 0; --i) {
        asio::co_spawn(executor, publish_some(bus, what, left), ended);
    }
    asio::error_code ignored;
    co_await all_done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

auto measure_all(cobus::bus& bus, const job& what, cobus::test::mock_cluster& kafka)
    -> asio::awaitable<void> {
    co_await bus.start();
    co_await publish_all(bus, what, what.messages / 10 + 1);
    const stopwatch plain;
    co_await publish_all(bus, what, what.messages);
    const double plain_wall = plain.wall();
    const double plain_cpu = plain.cpu();
    kafka.down();
    co_await bus.until(cobus::state::degraded);
    const stopwatch kept;
    co_await publish_all(bus, what, what.messages);
    const double kept_wall = kept.wall();
    const double kept_cpu = kept.cpu();
    kafka.up();
    co_await bus.until(cobus::state::recovering);
    const stopwatch replay;
    co_await bus.until(cobus::state::connected);
    const double wall = replay.wall();
    const double cpu = replay.cpu();
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto count = static_cast<double>(what.messages);
    measure::report()
        .add("plain", count / plain_wall)
        .add("plain_cpu", plain_cpu * 1e6 / count)
        .add("kept", count / kept_wall)
        .add("kept_cpu", kept_cpu * 1e6 / count)
        .add("replay", count / wall)
        .add("replay_cpu", cpu * 1e6 / count)
        .add("peak", static_cast<double>(used.ru_maxrss) / 1024)
        .print();
    co_await bus.stop();
}

} // namespace

auto main(int count, char** values) -> int {
    const job what = job_of(arguments(count, values));
    cobus::test::mock_cluster kafka;
    kafka.create_topic("benchmark", 4);
    {
        asio::io_context io(1);
        cobus::bus bus(io.get_executor(), settings_of(what, kafka.brokers()), cobus::kafka());
        asio::co_spawn(io, measure_all(bus, what, kafka), [](const std::exception_ptr& problem) {
            if (problem) {
                std::rethrow_exception(problem);
            }
        });
        io.run();
    }
    for (const char* const end : {"", "-wal", "-lock"}) {
        if (!what.file.empty()) {
            std::filesystem::remove(what.file + end);
        }
    }
}
