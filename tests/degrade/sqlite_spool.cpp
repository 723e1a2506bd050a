#include "spool_rows.hpp"
#include "temporary_folder.hpp"

#include <cobus/sqlite.hpp>

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

// Forms of an event without a JSON library.
struct spooled_note {
    std::string text;
};
struct spooled_letter {
    std::string text;
};
struct spool_test_codec {
    static constexpr std::string_view content_type = "text/plain";
    template <class Event>
    static auto encode(const Event& from, std::string& out) -> cobus::codec_result {
        out += from.text;
        return cobus::codec_result();
    }
    template <class Event>
    static auto decode(std::string_view bytes, Event& to) -> cobus::codec_result {
        to.text = bytes;
        return cobus::codec_result();
    }
    static auto wrap(const cobus::message& from, std::string& out) -> cobus::codec_result {
        if (from.payload() == "no envelope") {
            return cobus::codec_result("has no envelope");
        }
        out.append("<").append(from.payload()).append(">");
        return cobus::codec_result();
    }
    static auto unwrap(cobus::message& /*into*/) -> cobus::codec_result {
        return cobus::codec_result();
    }
};
template <>
struct cobus::contract<spooled_note> {
    static constexpr std::string_view type = "note", topic = "notes";
    using codec = spool_test_codec;
};
template <>
struct cobus::contract<spooled_letter> {
    static constexpr std::string_view type = "letter", topic = "letters";
    static constexpr auto wire = cobus::wire::structured();
    using codec = spool_test_codec;
};

namespace sqlite_spool_tests { // other files of this folder may be compiled with this one
namespace {

namespace rows = cobus::test::spool_rows;
using cobus::degrade::row_change;
using cobus::degrade::row_gone;
using cobus::degrade::row_moved;
using cobus::degrade::row_put;
using cobus::degrade::row_refused;
using cobus::degrade::row_settled;
using cobus::degrade::row_state;
using cobus::degrade::spool_row;
using cobus::degrade::sqlite_spool;

constexpr std::size_t everything = 1'000'000'000;

auto place_in(const cobus::test::temporary_folder& folder) -> cobus::spool_place {
    cobus::spool_place where;
    where.path = (folder.path() / "spool.db").string();
    return where;
}

/// Does something with SQLite itself to a file that nobody has.
auto with_sqlite(const std::string& path, const char* sql) -> std::string {
    sqlite3* file = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &file) == SQLITE_OK);
    REQUIRE(sqlite3_exec(file, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(file);
    return path;
}

auto bytes_in(const std::string& path) -> std::string {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

template <class Event>
auto typed_row(std::uint64_t sequence, std::string text) -> spool_row {
    spool_row row;
    row.sequence = sequence;
    row.content.topic(cobus::contract<Event>::topic);
    row.content.type(cobus::contract<Event>::type);
    row.content.adopt(cobus::detail::make_box<Event>(std::move(text)));
    REQUIRE(row.content.ensure_bytes().ok());
    return row;
}

auto refusal_of(const cobus::spool_place& where) -> std::string {
    try {
        (void)sqlite_spool(where).open();
    } catch (const cobus::error& wrong) {
        return wrong.what();
    }
    return "(none)";
}

} // namespace

TEST_CASE("a row comes back from the file as it was put, whatever is in it") {
    const cobus::test::temporary_folder folder;
    const auto where = place_in(folder);
    const std::string binary("\0\xFF\n'\"\xC3", 6);
    std::vector<spool_row> put;
    for (std::uint64_t i = 1; i <= 6; ++i) {
        put.push_back(rows::make(i, "key", "payload"));
    }
    put[0].content.id(cobus::message_id::make(put[0].since));
    put[1].content.no_key();
    put[1].content.no_payload(); // a tombstone
    put[2].content.key("");
    put[2].content.payload("");
    put[3].content.key(binary);
    put[3].content.payload(binary);
    put[3].content.type(binary);
    put[3].content.id(cobus::message_id::from_text(binary + "no uuid"));
    for (int i = 0; i < 3; ++i) {
        put[3].content.headers().add("name", binary);
        put[3].content.headers().add_null("name");
        put[3].content.headers().add("", "");
    }
    put[3].settled = {{"group", "one"}, {"group", binary}};
    put[4].content.form(cobus::wire::mode::plain);
    put[4].partition = 7;
    put[4].state = row_state::in_client;
    put[4].when_away = cobus::policy::wait;
    put[5].content.payload(std::string(3'000'000, 'x'));
    put[5].content.id(cobus::message_id());
    std::vector<std::string> before;
    for (spool_row& each : put) {
        if (!each.content.form()) {
            each.content.form(cobus::wire::mode::binary); // what the file says of it then
        }
        before.push_back(rows::told(each));
    }
    {
        sqlite_spool file(where);
        CHECK(file.open().next_sequence == 1);
        rows::put_all(file, put);
        const auto found = file.read(0, 100, everything);
        REQUIRE(found.size() == 6);
        for (std::size_t i = 0; i < 6; ++i) {
            CHECK(rows::told(found[i]) == before[i]);
        }
    }
    sqlite_spool file(where);
    const auto contents = file.open();
    CHECK(contents.rows == 6);
    CHECK(contents.next_sequence == 7);
    CHECK(contents.bytes == 10 + 0 + 0 + 12 + 10 + 3'000'003);
    CHECK(contents.oldest == put[0].since);
    const auto found = file.read(0, 100, everything);
    REQUIRE(found.size() == 6);
    CHECK(found[4].state == row_state::pending); // its process is gone
    CHECK_FALSE(found[1].content.key());
    CHECK(found[1].content.is_null());
    CHECK(found[2].content.key() == "");
    CHECK_FALSE(found[2].content.is_null());
    CHECK(found[3].settled.size() == 2);
    CHECK(found[0].content.id().is_uuid());
}

TEST_CASE("a message without its contract goes out as its contract said") {
    const cobus::test::temporary_folder folder;
    auto where = place_in(folder);
    where.how = cobus::wire::binary();
    sqlite_spool file(where);
    (void)file.open();
    std::vector<spool_row> put;
    put.push_back(typed_row<spooled_note>(1, "a"));
    put.push_back(typed_row<spooled_letter>(2, "b"));
    put.push_back(rows::make(3, "k", "c")); // of no contract
    put.push_back(rows::make(4, "k", "d"));
    put[3].content.type("");
    put.push_back(typed_row<spooled_note>(5, "e"));
    put[4].content.headers().add("content-type", "text/mine");
    rows::put_all(file, put);
    const auto found = file.read(0, 10, everything);
    REQUIRE(found.size() == 5);
    CHECK(found[0].content.form() == cobus::wire::mode::binary);
    CHECK(found[0].content.headers().get("content-type") == "text/plain");
    CHECK(found[1].content.form() == cobus::wire::mode::plain);
    CHECK(found[1].content.payload() == "<b>");
    CHECK(found[1].content.headers().get("content-type") == "application/cloudevents+json");
    CHECK(found[2].content.form() == cobus::wire::mode::binary);
    CHECK(found[3].content.form() == cobus::wire::mode::plain); // an envelope needs a type
    CHECK(found[4].content.headers().get("content-type") == "text/mine");
}

TEST_CASE("a read ends at its limits, but has one row if there is one") {
    const cobus::test::temporary_folder folder;
    sqlite_spool file(place_in(folder));
    (void)file.open();
    std::vector<spool_row> put;
    for (const std::uint64_t sequence : {9U, 2U, 5U, 7U}) {
        put.push_back(rows::make(sequence, "", "12345678"));
    }
    rows::put_all(file, put);
    CHECK(rows::sequences(file.read(0, 100, everything)) == std::vector<std::uint64_t>{2, 5, 7, 9});
    CHECK(rows::sequences(file.read(3, 2, everything)) == std::vector<std::uint64_t>{5, 7});
    CHECK(rows::sequences(file.read(0, 100, 9)) == std::vector<std::uint64_t>{2, 5});
    CHECK(rows::sequences(file.read(0, 100, 0)) == std::vector<std::uint64_t>{2});
    CHECK(file.read(10, 100, everything).empty());
}

TEST_CASE("sequences are never given twice, whatever became of their rows") {
    const cobus::test::temporary_folder folder;
    const auto where = place_in(folder);
    {
        sqlite_spool file(where);
        (void)file.open();
        std::vector<spool_row> put;
        put.push_back(rows::make(41, "", ""));
        rows::put_all(file, put);
        const std::vector<row_change> gone{row_gone{41}};
        file.apply(gone);
    }
    sqlite_spool file(where);
    const auto contents = file.open();
    CHECK(contents.rows == 0);
    CHECK(contents.next_sequence == 42);
    CHECK(contents.oldest == std::chrono::system_clock::time_point());
}

TEST_CASE("what Kafka refuses is kept apart, can be put back, and is still known as handled") {
    const cobus::test::temporary_folder folder;
    const auto where = place_in(folder);
    const cobus::time_point when{std::chrono::hours(500'000)};
    {
        sqlite_spool file(where);
        (void)file.open();
        std::vector<spool_row> put;
        put.push_back(rows::make(1, "k", "one"));
        put.push_back(rows::make(2, "k", "two"));
        rows::put_all(file, put);
        const std::vector<row_change> changes{row_settled{1, {"g", "h"}},
                                              row_refused{1, "too large for the topic", when},
                                              row_gone{1}, // passed by: it is no row any more
                                              row_settled{1, {"g", "i"}}, // the same
                                              row_refused{77, "never there", when}};
        file.apply(changes);
        CHECK(rows::sequences(file.read(0, 10, everything)) == std::vector<std::uint64_t>{2});
    }
    sqlite_spool file(where);
    CHECK(file.open().refused == 1);
    auto refused = file.read_refused(0, 10, everything);
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].cause == "too large for the topic");
    CHECK(refused[0].at == when);
    CHECK(refused[0].row.content.payload() == "one");
    const std::vector<std::uint64_t> both{1, 77};
    CHECK(file.restore(both, when) == 1);
    CHECK(file.read_refused(0, 10, everything).empty());
    const auto found = file.read(0, 10, everything);
    CHECK(rows::sequences(found) == std::vector<std::uint64_t>{1, 2});
    CHECK(found[0].since == when);
    REQUIRE(found[0].settled.size() == 1);
    CHECK(found[0].settled[0] == cobus::degrade::executor_name{"g", "h"});
    const std::vector<row_change> again{row_refused{1, "still", when}};
    file.apply(again);
    CHECK(file.discard(both) == 1);
    CHECK(file.read_refused(0, 10, everything).empty());
    CHECK(file.open().refused == 0);
}

TEST_CASE("a batch is done as a whole or not at all") {
    const cobus::test::temporary_folder folder;
    auto where = place_in(folder);
    where.how = cobus::wire::structured();
    sqlite_spool file(where);
    (void)file.open();
    std::vector<spool_row> put;
    put.push_back(rows::make(1, "", "one"));
    rows::put_all(file, put);
    std::vector<spool_row> wrong;
    wrong.push_back(rows::make(2, "", "two"));
    wrong.push_back(typed_row<spooled_letter>(3, "no envelope"));
    std::vector<row_change> changes{row_gone{1}};
    for (const spool_row& each : wrong) {
        changes.emplace_back(row_put{&each});
    }
    try {
        file.apply(changes);
        FAIL("took it");
    } catch (const cobus::error& refused) {
        CHECK(refused.code() == cobus::errc::not_encodable);
    }
    CHECK(rows::sequences(file.read(0, 10, everything)) == std::vector<std::uint64_t>{1});
    CHECK(file.open().next_sequence == 2);
}

TEST_CASE("nobody but the owner may read a spool or what lies beside it") {
    const cobus::test::temporary_folder folder;
    const mode_t before = ::umask(0);
    sqlite_spool file(place_in(folder));
    (void)file.open();
    std::vector<spool_row> put;
    put.push_back(rows::make(1, "k", "secret"));
    rows::put_all(file, put);
    ::umask(before);
    std::size_t files = 0;
    for (const auto& each : std::filesystem::directory_iterator(folder.path())) {
        ++files;
        struct stat what{};
        REQUIRE(::stat(each.path().c_str(), &what) == 0);
        CHECK((what.st_mode & 0777U) == 0600U);
    }
    CHECK(files == 3); // the file, its log and its lock
}

TEST_CASE("a spool belongs to one bus, and is free when its process dies") {
    const cobus::test::temporary_folder folder;
    const auto where = place_in(folder);
    rows::crashing_child child([&where](int answers) {
        sqlite_spool file(where);
        (void)file.open();
        std::vector<spool_row> put;
        put.push_back(rows::make(1, "k", "held"));
        put[0].state = row_state::in_client;
        rows::put_all(file, put);
        rows::answer(answers, 1);
        ::pause();
    });
    REQUIRE(child.next_answer() == 1);
    const std::string held = refusal_of(where);
    CHECK(held.find(where.path + ": process " + std::to_string(child.id()) + " has it") == 0);
    CHECK(held.find("one for each bus") != std::string::npos);
    child.kill();
    sqlite_spool file(where);
    CHECK(file.open().rows == 1);
    CHECK(file.read(0, 1, 1).at(0).state == row_state::pending);
    CHECK(refusal_of(where).find("another bus of this process has it") != std::string::npos);
    CHECK(refusal_of(where).find("another bus of this process has it") != std::string::npos);
    sqlite3* looking = nullptr; // a person's, who does not know of the lock
    REQUIRE(sqlite3_open(where.path.c_str(), &looking) == SQLITE_OK);
    CHECK(sqlite3_exec(looking, "DELETE FROM rows", nullptr, nullptr, nullptr) == SQLITE_BUSY);
    sqlite3_close(looking);
    CHECK(file.read(0, 10, everything).size() == 1);
}

TEST_CASE("a file that is none of cobus, or newer, or damaged, is named and left as it is") {
    const cobus::test::temporary_folder folder;
    auto where = place_in(folder);
    const auto unchanged = [&where](std::string_view said) {
        const std::string before = bytes_in(where.path);
        const std::string got = refusal_of(where);
        CAPTURE(got);
        CHECK(got.find(where.path) != std::string::npos);
        CHECK(got.find(said) != std::string::npos);
        CHECK(bytes_in(where.path) == before);
    };
    SUBCASE("another database") {
        with_sqlite(where.path, "CREATE TABLE rows(name TEXT)");
        unchanged("is a database, but no spool of cobus; name another file");
    }
    SUBCASE("the file of another part of cobus") {
        {
            const cobus::sqlite_deduplication other(where.path);
        }
        unchanged("no spool of cobus");
    }
    SUBCASE("a newer format") {
        {
            (void)sqlite_spool(where).open();
        }
        with_sqlite(where.path, "PRAGMA user_version=2");
        unchanged("has format 2, this version knows 1; let the newer version send");
    }
    SUBCASE("no database") {
        std::ofstream(where.path) << std::string(8000, 'x');
        unchanged("damaged or was never one; move it away");
    }
    SUBCASE("a part of it overwritten") {
        {
            sqlite_spool file(where);
            (void)file.open();
            std::vector<spool_row> put;
            for (std::uint64_t i = 1; i <= 1000; ++i) {
                put.push_back(rows::make(i, "k", std::string(100, 'p')));
            }
            rows::put_all(file, put);
        }
        std::fstream file(where.path, std::ios::binary | std::ios::in | std::ios::out);
        file.seekp(4096);
        file << std::string(40960, '\x5A');
        file.close();
        const std::string got = refusal_of(where);
        CAPTURE(got);
        CHECK(got.find("move it away") != std::string::npos);
    }
    SUBCASE("no folder") {
        where.path = (folder.path() / "no" / "spool.db").string();
        CHECK(refusal_of(where).find("No such file or directory") != std::string::npos);
    }
}

TEST_CASE("a spool that held much gives the disk back when it is empty") {
    const cobus::test::temporary_folder folder;
    auto where = place_in(folder);
    where.synchronous = cobus::spool_synchronous::off;
    sqlite_spool file(where);
    (void)file.open();
    std::vector<spool_row> put;
    for (std::uint64_t i = 1; i <= 80; ++i) {
        put.push_back(rows::make(i, "k", std::string(1 << 20, 'p')));
    }
    rows::put_all(file, put);
    std::vector<row_change> gone;
    for (std::uint64_t i = 1; i <= 80; ++i) {
        gone.emplace_back(row_gone{i});
    }
    file.apply(gone);
    (void)file.open(); // which writes the log back
    CHECK(std::filesystem::file_size(where.path) < (1U << 20U));
    CHECK(file.open().next_sequence == 81);
}

} // namespace sqlite_spool_tests
