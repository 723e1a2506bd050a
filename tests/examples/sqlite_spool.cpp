#include "child_process.hpp"
#include "spool_rows.hpp"
#include "temporary_folder.hpp"

#include <cobus/sqlite.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

// The program that works on spools' files.

namespace {

namespace rows = cobus::test::spool_rows;
using cobus::degrade::row_change;
using cobus::degrade::row_refused;
using cobus::degrade::row_settled;
using cobus::degrade::spool_row;
using cobus::degrade::sqlite_spool;

struct tool {
    cobus::test::temporary_folder folder;
    cobus::spool_place where;
    int code = 0;

    tool() { where.path = (folder.path() / "spool.db").string(); }

    /// Four events: the first two refused.
    void fill() const {
        sqlite_spool file(where);
        (void)file.open();
        std::vector<spool_row> put;
        for (std::uint64_t i = 1; i <= 4; ++i) {
            put.push_back(
                rows::make(i, "key-" + std::to_string(i), "payload " + std::to_string(i)));
        }
        put[1].content.topic("other.topic");
        put[3].content.no_key();
        put[3].content.payload("\xFF\xFE");
        put[3].content.headers().add("trace", "abc");
        rows::put_all(file, put);
        const cobus::time_point when{std::chrono::hours(470'000)};
        const std::vector<row_change> changes{row_settled{1, {"billing", "charge"}},
                                              row_refused{1, "too large for the topic", when},
                                              row_refused{2, "no such topic", when}};
        file.apply(changes);
    }
    /// All that the program says.
    auto run(const std::string& arguments) -> std::string {
        cobus::test::child_process program(
            {"sh", "-c",
             "exec " SPOOL_PROGRAM " " + arguments + " --file " + where.path + " 2>&1"});
        std::string said;
        while (const auto line = program.read_line(std::chrono::seconds(30))) {
            said.append(*line).append("\n");
        }
        REQUIRE(program.wait(std::chrono::seconds(30)));
        code = WEXITSTATUS(program.status());
        return said;
    }
    [[nodiscard]] auto waiting() const -> std::vector<std::uint64_t> {
        sqlite_spool file(where);
        (void)file.open();
        return rows::sequences(file.read(0, 100, 1'000'000));
    }
};

auto has(const std::string& text, const std::string& part) -> bool {
    CAPTURE(text);
    const bool found = text.find(part) != std::string::npos;
    CHECK_MESSAGE(found, part, " is not in: ", text);
    return found;
}

} // namespace

TEST_CASE("the tool shows what waits in a spool and what Kafka refused") {
    tool t;
    t.fill();
    const std::string counts = t.run("count");
    CHECK(t.code == 0);
    has(counts, "waiting: 2, ");
    has(counts, "2 spool.topic spool.type");
    has(counts, "refused: 2, ");
    has(counts, "1 other.topic spool.type");
    const std::string list = t.run("list");
    has(list, "3  2021-");
    has(list, "key-3");
    has(list, "(no key)");
    CHECK(list.find("too large") == std::string::npos);
    has(t.run("list --refused --topic other.topic"), "no such topic");
    const std::string shown = t.run("show 1 --refused");
    has(shown, "payload 1");
    has(shown, "handled  billing/charge");
    has(shown, "too large for the topic");
    const std::string bytes = t.run("show 4");
    has(bytes, "(2 bytes, not UTF-8)");
    has(bytes, "trace: abc");
    has(bytes, "(none)");
}

TEST_CASE("the tool puts refused events back or forgets them, and only says so when asked to") {
    tool t;
    t.fill();
    has(t.run("replay --cause 'too large' --dry-run"), "1 would be put back");
    CHECK(t.waiting() == std::vector<std::uint64_t>{3, 4});
    has(t.run("replay --cause 'too large'"), "1 put back");
    CHECK(t.waiting() == std::vector<std::uint64_t>{1, 3, 4});
    has(t.run("discard --dry-run"), "1 would be discarded");
    has(t.run("discard"), "1 discarded");
    has(t.run("count"), "refused: 0\n");
    has(t.run("discard --waiting 3 9"), "1 discarded: Kafka never gets them");
    CHECK(t.waiting() == std::vector<std::uint64_t>{1, 4});
}

TEST_CASE("the tool leaves a spool alone that is in use, and makes none where there is none") {
    tool t;
    has(t.run("count"), "there is no such file");
    CHECK(t.code == 1);
    t.fill();
    sqlite_spool file(t.where);
    (void)file.open();
    has(t.run("discard --waiting"), "process " + std::to_string(::getpid()) + " has it");
    CHECK(t.code == 1);
    CHECK(file.read(0, 100, 1'000'000).size() == 2);
}
