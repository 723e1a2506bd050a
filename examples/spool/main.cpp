// spool: what a service keeps in its spool's file until Kafka has it, and what Kafka refused.
// COBUS_SPOOL_FILE says which file, as for the service, or --file. The service must not run.
#include "commands.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>

namespace {

void add_filters(CLI::App& to, spool_tool::request& wanted) {
    to.add_option("--file", wanted.file, "The file")->envname("COBUS_SPOOL_FILE");
    to.add_option("AT", wanted.at, "Only these, by the numbers that list shows");
    to.add_option("--topic", wanted.topic, "Only those for this topic");
    to.add_option("--type", wanted.type, "Only events of this type");
    to.add_option("--key", wanted.key, "Only those with this key");
    to.add_option("--cause", wanted.cause, "Only those whose refusal contains this text");
}

} // namespace

auto main(int argc, char** argv) -> int {
    CLI::App app("Spool: count, list, show, replay, discard");
    app.require_subcommand(1);
    spool_tool::request wanted;
    bool waiting = false;
    int code = 0;

    CLI::App* const counts = app.add_subcommand("count", "How many wait, how many were refused");
    CLI::App* const lists = app.add_subcommand("list", "A line for each that waits");
    CLI::App* const shows = app.add_subcommand("show", "All that is known of each that waits");
    CLI::App* const tries = app.add_subcommand("replay", "Have refused ones tried again");
    CLI::App* const drops = app.add_subcommand("discard", "Forget refused ones");
    for (CLI::App* const each : {counts, lists, shows, tries, drops}) {
        add_filters(*each, wanted);
    }
    for (CLI::App* const each : {lists, shows}) {
        each->add_flag("--refused", wanted.refused, "Those that Kafka refused instead");
    }
    for (CLI::App* const each : {tries, drops}) {
        each->add_flag("--dry-run", wanted.dry_run, "Only say how many");
    }
    drops->add_flag("--waiting", waiting, "Those that wait instead: Kafka never gets them");
    counts->callback([&] { code = spool_tool::count(wanted); });
    lists->callback([&] { code = spool_tool::list(wanted); });
    shows->callback([&] { code = spool_tool::show(wanted); });
    tries->callback([&] { code = spool_tool::replay(wanted); });
    drops->callback([&] {
        wanted.refused = !waiting;
        code = spool_tool::discard(wanted);
    });

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& wrong) {
        return app.exit(wrong);
    } catch (const std::exception& failed) {
        std::fprintf(stderr, "spool: %s\n", failed.what());
        return 1;
    }
    return code;
}
