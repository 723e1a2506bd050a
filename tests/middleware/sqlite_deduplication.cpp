#include "temporary_folder.hpp"

#include <cobus/sqlite.hpp>

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using cobus::deduplication_limits;
using cobus::event_identity;
using cobus::sqlite_deduplication;
using namespace std::chrono_literals;

namespace {

using file_answer = cobus::deduplication_store::answer;

const cobus::time_point file_start{1000h};

auto event_of(const std::string& id) -> event_identity { return {"group/mail", "shop", id}; }

/// Runs `body` in another process, which it kills with SIGKILL at the end.
template <class Body> void in_a_process_that_crashes(Body body) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        body();
        ::raise(SIGKILL);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
}

} // namespace

TEST_CASE("a file keeps what was handled, and a failed try is claimed again") {
    const cobus::test::temporary_folder folder;
    const std::string path = (folder.path() / "seen.db").string();
    {
        sqlite_deduplication store(path);
        CHECK(store.claim(event_of("a"), 1, file_start).what == file_answer::run);
        CHECK(store.claim(event_of("a"), 2, file_start).what == file_answer::busy);
        CHECK(store.claim(event_of("a"), 1, file_start).what == file_answer::run);
        store.release(event_of("a"), 2);
        CHECK(store.claim(event_of("a"), 2, file_start).what == file_answer::busy);
        store.release(event_of("a"), 1);
        CHECK(store.claim(event_of("a"), 2, file_start).what == file_answer::run);
        store.confirm(event_of("a"), file_start);
        store.release(event_of("a"), 2);
    }
    sqlite_deduplication store(path);
    CHECK(store.claim(event_of("a"), 3, file_start).what == file_answer::done);
    CHECK(store.claim({"group/other", "shop", "a"}, 3, file_start).what == file_answer::run);
    CHECK(store.claim({"group/mail", {}, "a"}, 3, file_start).what == file_answer::run);
}

TEST_CASE("nobody else may read the file, nor what SQLite puts beside it") {
    const cobus::test::temporary_folder folder;
    const auto path = folder.path() / "seen.db";
    sqlite_deduplication store(path.string());
    store.confirm(event_of("a"), file_start);
    std::size_t files = 0;
    for (const auto& each : std::filesystem::directory_iterator(folder.path())) {
        ++files;
        struct stat what{};
        REQUIRE(::stat(each.path().c_str(), &what) == 0);
        CHECK((what.st_mode & 0777U) == 0600U);
    }
    CHECK(files == 3); // the file, its log and its index
}

TEST_CASE("a crash keeps what was confirmed, and the claim under way holds for its lease") {
    const cobus::test::temporary_folder folder;
    const std::string path = (folder.path() / "seen.db").string();
    in_a_process_that_crashes([&path] {
        sqlite_deduplication store(path, deduplication_limits().lease(10s));
        (void)store.claim(event_of("done"), 1, file_start);
        store.confirm(event_of("done"), file_start);
        (void)store.claim(event_of("under way"), 1, file_start);
    });
    sqlite_deduplication store(path);
    CHECK(store.claim(event_of("done"), 2, file_start).what == file_answer::done);
    const auto busy = store.claim(event_of("under way"), 2, file_start + 9s);
    CHECK(busy.what == file_answer::busy);
    CHECK(busy.until == file_start + 10s);
    CHECK(store.claim(event_of("under way"), 2, file_start + 10s).what == file_answer::run);
}

TEST_CASE("processes that share a file give each event to one of them") {
    const cobus::test::temporary_folder folder;
    const std::string path = (folder.path() / "seen.db").string();
    const auto work = [&path](const std::string& who, std::uint64_t owner) {
        sqlite_deduplication store(path);
        for (int i = 0; i < 300; ++i) {
            const std::string id = std::to_string(i);
            if (store.claim(event_of(id), owner, file_start).what == file_answer::run) {
                store.confirm({who, "shop", id}, file_start); // written down beside
            }
        }
    };
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        work("child", 1);
        ::_exit(0);
    }
    work("parent", 2);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    sqlite_deduplication store(path);
    for (int i = 0; i < 300; ++i) {
        const std::string id = std::to_string(i);
        const bool by_child =
            store.claim({"child", "shop", id}, 3, file_start).what == file_answer::done;
        const bool by_parent =
            store.claim({"parent", "shop", id}, 3, file_start).what == file_answer::done;
        CHECK(by_child != by_parent);
    }
}

TEST_CASE("threads may share a store") {
    const cobus::test::temporary_folder folder;
    sqlite_deduplication store((folder.path() / "seen.db").string());
    std::vector<std::thread> threads;
    std::atomic<int> runs{0};
    for (std::uint64_t owner = 1; owner < 5; ++owner) {
        threads.emplace_back([&store, &runs, owner] {
            for (int i = 0; i < 100; ++i) {
                const std::string id = std::to_string(i);
                if (store.claim(event_of(id), owner, file_start).what == file_answer::run) {
                    ++runs;
                    store.confirm(event_of(id), file_start);
                }
            }
        });
    }
    for (std::thread& each : threads) {
        each.join();
    }
    CHECK(runs == 100);
}

TEST_CASE("the file is bounded in age and in number") {
    const cobus::test::temporary_folder folder;
    const std::string path = (folder.path() / "seen.db").string();
    sqlite_deduplication store(path, deduplication_limits().events(100).age(1h));
    const auto handled = [&](int id) {
        return store.claim(event_of(std::to_string(id)), 1, file_start + 1min).what ==
               file_answer::done;
    };
    for (int i = 0; i < 1025; ++i) {
        store.confirm(event_of(std::to_string(i)), file_start + std::chrono::milliseconds(i));
    }
    CHECK_FALSE(handled(900));
    CHECK(handled(950));
    CHECK(handled(1024));
    CHECK(store.claim(event_of("1024"), 1, file_start + 2h).what == file_answer::run);
}

TEST_CASE("a file of something else, or of a later version, is left alone") {
    const cobus::test::temporary_folder folder;
    const auto make = [&](const char* name, const char* sql) {
        const std::string path = (folder.path() / name).string();
        sqlite3* file = nullptr;
        REQUIRE(sqlite3_open(path.c_str(), &file) == SQLITE_OK);
        REQUIRE(sqlite3_exec(file, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(file);
        return path;
    };
    const auto foreign = make("foreign.db", "CREATE TABLE events(name TEXT)");
    CHECK_THROWS_WITH_AS(sqlite_deduplication{foreign},
                         doctest::Contains("is no deduplication store of cobus"), cobus::error);
    const std::string path = (folder.path() / "seen.db").string();
    {
        const sqlite_deduplication made(path);
    }
    make("seen.db", "PRAGMA user_version=2");
    CHECK_THROWS_WITH_AS(sqlite_deduplication{path},
                         doctest::Contains("has format 2, this version knows 1"), cobus::error);
    CHECK_THROWS_AS(sqlite_deduplication{(folder.path() / "no" / "folder").string()}, cobus::error);
}

TEST_CASE("the file answers as the window in memory does") {
    const cobus::test::temporary_folder folder;
    const auto limits = deduplication_limits().lease(50ms).age(400ms);
    sqlite_deduplication file((folder.path() / "seen.db").string(), limits);
    cobus::memory_deduplication memory(limits);
    std::mt19937_64 random(11);
    auto now = file_start;
    for (int i = 0; i < 4000; ++i) {
        now += std::chrono::milliseconds(random() % 3);
        const std::string id = std::to_string(random() % 40);
        const std::uint64_t owner = 1 + random() % 3;
        switch (random() % 4) {
        case 0:
            file.confirm(event_of(id), now);
            memory.confirm(event_of(id), now);
            break;
        case 1:
            file.release(event_of(id), owner);
            memory.release(event_of(id), owner);
            break;
        default: {
            const auto said = file.claim(event_of(id), owner, now);
            const auto expected = memory.claim(event_of(id), owner, now);
            REQUIRE(said.what == expected.what);
            if (said.what == file_answer::busy) {
                REQUIRE(said.until == expected.until);
            }
        }
        }
    }
}
