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
#include "support/publish_all.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>
#include <cobus/sqlite.hpp>

#include <asio.hpp>

#include <cstddef>
#include <exception>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace {

using bench::keyed_blob;
using bench::publish_all;
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
    what.events = bench::keyed_blobs(args.number("bytes", 100));
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

/// What was done since `of` began, under a name: how many a second, and the CPU µs of each.
void note(measure::report& to, const std::string& name, std::size_t count, const stopwatch& of) {
    const double events = static_cast<double>(count);
    const double wall = of.wall();
    to.add(name, events / wall).add(name + "_cpu", of.cpu() * 1e6 / events);
}

auto measure_all(cobus::bus& bus, const job& what, cobus::test::mock_cluster& kafka)
    -> asio::awaitable<void> {
    co_await bus.start();
    co_await publish_all(bus, what.events, what.messages / 10 + 1, what.window);
    measure::report all;
    const stopwatch plain;
    co_await publish_all(bus, what.events, what.messages, what.window);
    note(all, "plain", what.messages, plain);
    kafka.down();
    co_await bus.until(cobus::state::degraded);
    const stopwatch kept;
    co_await publish_all(bus, what.events, what.messages, what.window);
    note(all, "kept", what.messages, kept);
    kafka.up();
    co_await bus.until(cobus::state::recovering);
    const stopwatch replay;
    co_await bus.until(cobus::state::connected);
    note(all, "replay", what.messages, replay);
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    all.add("peak", static_cast<double>(used.ru_maxrss) / 1024).print();
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
