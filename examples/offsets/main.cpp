// offsets: where a consumer group stands, and setting it back or forth. KAFKA_ENABLED=true,
// KAFKA_BROKERS, KAFKA_GROUP_ID and the other variables say where, as for every service.
#include "commands.hpp"

#include <CLI/CLI.hpp>
#include <shared/utc_time.hpp>

#include <cstdio>
#include <exception>
#include <string>

namespace {

/// "earliest", "latest" or a time.
[[nodiscard]] auto place_to_go() -> CLI::Validator {
    return {[](std::string& text) -> std::string {
                if (text == "earliest" || text == "latest") {
                    return {};
                }
                const std::string asked = text;
                const bool good =
                    tools::utc_time()(text).empty() && offsets::read_target(text).has_value();
                return good ? ""
                            : "'" + asked +
                                  "' is neither earliest, latest nor a time in UTC "
                                  "such as 2026-11-21T09:00Z";
            },
            "earliest|latest|TIME"};
}

} // namespace

auto main(int argc, char** argv) -> int {
    CLI::App app("Offsets of a consumer group: show, reset");
    app.require_subcommand(1);
    offsets::request wanted;
    offsets::reset_options how;
    std::string to;
    int code = 0;

    CLI::App* const shows = app.add_subcommand("show", "Where it stands in each partition");
    CLI::App* const resets =
        app.add_subcommand("reset", "Have it go on elsewhere, while its services are stopped");
    for (CLI::App* const each : {shows, resets}) {
        each->add_option("--group", wanted.group, "The group; that of KAFKA_GROUP_ID unless said");
    }
    shows->add_option("TOPIC", wanted.topics, "Topics; all where it has committed unless said");
    resets->add_option("TOPIC", wanted.topics, "Topics")->required();
    resets->add_option("--to", to, "The first message, the end, or the first of a time or later")
        ->required()
        ->transform(place_to_go());
    resets->add_option("--partition", how.partition, "Only this partition")
        ->check(CLI::NonNegativeNumber);
    resets->add_flag("--dry-run", how.dry_run, "Only say what would be done");
    shows->callback([&] { code = offsets::show(wanted); });
    resets->callback([&] {
        how.to = offsets::read_target(to).value();
        code = offsets::reset(wanted, how);
    });

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& wrong) {
        return app.exit(wrong);
    } catch (const std::exception& failed) {
        std::fprintf(stderr, "offsets: %s\n", failed.what());
        return 1;
    }
    return code;
}
