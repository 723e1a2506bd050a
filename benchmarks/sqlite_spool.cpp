// How fast events go into a spool's file and out of it again.
//
//   sqlite_spool synchronous=off|normal|full  rows=  batch=  bytes=  folder=
//
// in: put in batches, each a transaction; open: a second process finds them; out: read in batches
// and removed, as a replay does it.
#include "floors/measure.hpp"

#include <cobus/sqlite.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace {

namespace degrade = cobus::degrade;
using degrade::row_change;
using degrade::spool_row;
using measure::arguments;

struct job {
    cobus::spool_place where;
    std::uint64_t rows;
    std::uint64_t batch;
    std::size_t bytes;
};

auto job_of(const arguments& args) -> job {
    job what;
    const std::string how = args.text("synchronous", "normal");
    what.where.synchronous = how == "off"    ? cobus::spool_synchronous::off
                             : how == "full" ? cobus::spool_synchronous::full
                                             : cobus::spool_synchronous::normal;
    what.where.path = args.text("folder", ".") + "/bench.spool.db";
    what.rows = args.number("rows", 1'000'000);
    what.batch = args.number("batch", 1000);
    what.bytes = args.number("bytes", 100);
    return what;
}

void remove_files(const job& what) {
    for (const char* const end : {"", "-wal", "-lock"}) {
        std::filesystem::remove(what.where.path + end);
    }
}

void fill(const job& what, degrade::spool_file& file) {
    std::vector<spool_row> rows(what.batch);
    std::vector<row_change> changes;
    for (spool_row& each : rows) {
        each.state = degrade::row_state::in_client;
        each.content = cobus::message("activity.events", "activity", std::string(what.bytes, 'x'));
        each.content.source("/bench");
        each.content.key("key-1000");
        each.content.form(cobus::wire::mode::binary);
        changes.emplace_back(degrade::row_put{&each});
    }
    const auto now = cobus::detail::coarse_now();
    std::uint64_t sequence = 0;
    while (sequence < what.rows) {
        for (spool_row& each : rows) {
            each.sequence = ++sequence;
            each.since = now;
            each.content.time(now);
            each.content.id(cobus::message_id::make(now));
        }
        file.apply(changes);
    }
}

auto drain(const job& what, degrade::spool_file& file) -> std::uint64_t {
    std::uint64_t count = 0;
    std::vector<row_change> gone;
    for (std::uint64_t from = 0;;) {
        const std::vector<spool_row> rows = file.read(from, what.batch, 16U << 20U);
        if (rows.empty()) {
            return count;
        }
        gone.clear();
        for (const spool_row& each : rows) {
            gone.emplace_back(degrade::row_gone{each.sequence});
        }
        file.apply(gone);
        count += rows.size();
        from = rows.back().sequence + 1;
    }
}

} // namespace

auto main(int count, char** values) -> int {
    const job what = job_of(arguments(count, values));
    remove_files(what);
    measure::report report;
    const auto events = static_cast<double>(what.rows);
    {
        degrade::sqlite_spool file(what.where);
        (void)file.open();
        const measure::stopwatch time;
        fill(what, file);
        report.add("in", events / time.wall()).add("in_cpu", time.cpu() * 1e6 / events);
        report.add("bytes",
                   static_cast<double>(std::filesystem::file_size(what.where.path)) / events);
    }
    degrade::sqlite_spool file(what.where);
    const measure::stopwatch opening;
    (void)file.open();
    report.add("open_ms", opening.wall() * 1e3);
    const measure::stopwatch time;
    if (drain(what, file) != what.rows) {
        std::fprintf(stderr, "sqlite_spool: not all came back\n");
        return 1;
    }
    report.add("out", events / time.wall()).add("out_cpu", time.cpu() * 1e6 / events);
    remove_files(what);
    report.print();
    return 0;
}
