// dead_letters: what lies in the dead letter topics of a Kafka cluster, and what becomes of it.
// KAFKA_ENABLED=true, KAFKA_BROKERS and the other variables say where, as for every service.
#include "commands.hpp"

#include <CLI/CLI.hpp>
#include <shared/utc_time.hpp>

#include <cstdio>
#include <exception>
#include <string>

namespace {

void add_filters(CLI::App& to, dead_letters::request& wanted) {
    dead_letters::filter& which = wanted.which;
    to.add_option("TOPIC", wanted.topics, "Topics, with or without dlq.; all unless said");
    to.add_option("--type", which.type, "Only events of this type");
    to.add_option("--handler", which.handler, "Only those that this handler gave up on");
    to.add_option("--group", which.group, "Only those of this consumer group");
    to.add_option("--error", which.error, "Only those whose reason contains this text");
    to.add_option("--since", which.since, "Only those that failed at or after, 2026-11-21T09:00Z")
        ->transform(tools::utc_time());
    to.add_option("--until", which.until, "Only those that failed before")
        ->transform(tools::utc_time());
    to.add_option("--at", which.at, "Only this one: dlq.topic/partition/offset");
}

} // namespace

auto main(int argc, char** argv) -> int {
    CLI::App app("Dead letters: count, list, show, replay, discard, unpark");
    app.require_subcommand(1);
    dead_letters::request wanted;
    dead_letters::replay_options replays;
    bool dry_run = false;
    int code = 0;

    CLI::App* const counts = app.add_subcommand("count", "How many there are, and how old");
    CLI::App* const lists = app.add_subcommand("list", "A line for each");
    CLI::App* const shows = app.add_subcommand("show", "All that is known of each");
    CLI::App* const sends =
        app.add_subcommand("replay", "Send them to the topics that they failed in");
    CLI::App* const drops = app.add_subcommand("discard", "Count and list them no more");
    for (CLI::App* const each : {counts, lists, shows, sends, drops}) {
        add_filters(*each, wanted);
    }
    sends->add_flag("--dry-run", replays.dry_run, "Only say what would be sent");
    sends->add_flag("--everyone", replays.everyone,
                    "To all groups and handlers, not only the one that failed");
    drops->add_flag("--dry-run", dry_run, "Only say how many");
    std::string file;
    CLI::App* const unparks = app.add_subcommand(
        "unpark", "Send the letters of a file to the dead letter topics that refused them");
    unparks->add_option("FILE", file, "What settings::park_dead_letters names")->required();
    unparks->add_flag("--dry-run", dry_run, "Only say how many");
    counts->callback([&] { code = dead_letters::count(wanted); });
    lists->callback([&] { code = dead_letters::list(wanted); });
    shows->callback([&] { code = dead_letters::show(wanted); });
    sends->callback([&] { code = dead_letters::replay_all(wanted, replays); });
    drops->callback([&] { code = dead_letters::discard(wanted, dry_run); });
    unparks->callback([&] { code = dead_letters::unpark(file, dry_run); });

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& wrong) {
        return app.exit(wrong);
    } catch (const std::exception& failed) {
        std::fprintf(stderr, "dead_letters: %s\n", failed.what());
        return 1;
    }
    return code;
}
