// activity: the activity log of a community site. Sends files of events to the bus, counts them
// live, checks the connection, shows the log lines. KAFKA_ENABLED, KAFKA_BROKERS and the other
// variables say where; without any, all stays in this process.
#include "commands.hpp"

#include <cobus/error.hpp>
#include <cobus/net.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <utility>

namespace {

/// Runs a command to its end and returns its exit code.
auto run(activity::command what) -> int {
    cobus::net::io_context context(1);
    int code = 1;
    cobus::net::co_spawn(context, std::move(what), [&code](std::exception_ptr failed, int result) {
        code = result;
        if (failed) {
            std::rethrow_exception(failed);
        }
    });
    context.run();
    return code;
}

} // namespace

auto main(int argc, char** argv) -> int {
    std::setvbuf(stdout, nullptr, _IOLBF, 0); // whoever reads over a pipe sees lines as they come
    CLI::App app("Activity log of a community site, over cobus");
    app.require_subcommand(1);
    int code = 0;

    activity::produce_options produce;
    CLI::App* const sends = app.add_subcommand("produce", "Send files of events");
    sends->add_option("FILE", produce.files, "JSON array of events, plain or gzip")
        ->required()
        ->check(CLI::ExistingFile);
    sends->add_option("--on-error", produce.stop_on_error, "When an event is bad: skip or stop")
        ->transform(CLI::Transformer(std::map<std::string, bool>{{"skip", false}, {"stop", true}}))
        ->default_str("skip");
    sends->add_flag("--handle", produce.handle, "Handle the events here too (in memory: always)");
    long wait = produce.wait_limit.count();
    sends->add_option("--wait", wait, "Seconds to wait while Kafka is away, 300 unless said")
        ->check(CLI::Range(1L, 86'400L));
    sends->callback([&] {
        produce.wait_limit = std::chrono::seconds(wait);
        code = run(activity::produce(produce));
    });

    activity::consume_options consume;
    CLI::App* const counts =
        app.add_subcommand("consume", "Count events live, as a dashboard does");
    counts->add_option("--count", consume.count, "End after so many events");
    counts->callback([&] { code = run(activity::consume(consume)); });

    CLI::App* const checks =
        app.add_subcommand("check", "Send one event and wait until it is back");
    checks->callback([&] { code = run(activity::check(activity::check_options())); });

    activity::demo_options demo;
    CLI::App* const shows = app.add_subcommand("demo", "Show the log lines of a service at work");
    long seconds = demo.duration.count();
    shows->add_option("--seconds", seconds, "How long, 30 unless said")
        ->check(CLI::Range(1L, 86'400L));
    shows->callback([&] {
        demo.duration = std::chrono::seconds(seconds);
        code = run(activity::demo(demo));
    });

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& wrong) {
        return app.exit(wrong);
    } catch (const std::exception& failed) {
        std::fprintf(stderr, "activity: %s\n", failed.what());
        return 1;
    }
    return code;
}
