#include "spool_rows.hpp"
#include "temporary_folder.hpp"

#include <cobus/sqlite.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <sched.h>
#include <string>
#include <string_view>
#include <sys/mount.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace sqlite_spool_crashes {
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
constexpr std::uint64_t in_batch = 5;

auto place_in(const cobus::test::temporary_folder& folder) -> cobus::spool_place {
    cobus::spool_place where;
    where.path = (folder.path() / "spool.db").string();
    return where;
}

// A script whose state after each batch is known: batch n puts five rows, lets the first of the
// batch before be refused, settles its second, and removes the third before it as far as it is
// there.

auto row_of_script(std::uint64_t sequence) -> spool_row {
    return rows::make(sequence, "key-" + std::to_string(sequence % 7),
                      std::string(sequence * 7919 % 3000, static_cast<char>('a' + sequence % 26)));
}
auto first_of(std::uint64_t batch) -> std::uint64_t { return (batch - 1) * in_batch + 1; }

void do_batch(sqlite_spool& file, std::uint64_t batch) {
    std::vector<spool_row> put;
    for (std::uint64_t i = 0; i < in_batch; ++i) {
        put.push_back(row_of_script(first_of(batch) + i));
        put.back().state = row_state::in_client;
    }
    std::vector<row_change> changes;
    for (const spool_row& each : put) {
        changes.emplace_back(row_put{&each});
    }
    changes.emplace_back(row_moved{first_of(batch), row_state::pending});
    if (batch > 1) {
        const std::uint64_t before = first_of(batch - 1);
        changes.emplace_back(row_refused{before, "too large", {}});
        changes.emplace_back(row_settled{before + 1, {"group", "handler"}});
    }
    if (batch > 3) {
        for (std::uint64_t i = 1; i < in_batch; ++i) {
            changes.emplace_back(row_gone{first_of(batch - 3) + i});
        }
    }
    file.apply(changes);
}

/// True when the file is in the state after exactly that batch.
auto is_after(sqlite_spool& file, std::uint64_t batch) -> bool {
    std::map<std::uint64_t, bool> expected; // settled?
    for (std::uint64_t each = batch > 3 ? batch - 2 : 1; each <= batch; ++each) {
        for (std::uint64_t i = each < batch ? 1 : 0; i < in_batch; ++i) {
            expected[first_of(each) + i] = each < batch && i == 1;
        }
    }
    const auto found = file.read(0, 1000, everything);
    bool same = found.size() == expected.size();
    for (const spool_row& each : found) {
        const auto known = expected.find(each.sequence);
        spool_row original = row_of_script(each.sequence);
        original.content.form(cobus::wire::mode::binary);
        same = same && known != expected.end() && each.state == row_state::pending &&
               each.settled.size() == std::size_t{known->second} &&
               rows::told(each) == rows::told(original);
    }
    return same;
}

void write_text(const char* path, const std::string& text) {
    const int file = ::open(path, O_WRONLY | O_CLOEXEC);
    (void)!::write(file, text.data(), text.size());
    ::close(file);
}

/// Lets this process mount for itself alone, where the system permits it. A user of its own takes a
/// process of one thread, and the thread sanitizer has one more: then only root can.
auto may_mount() -> bool {
    const std::string user = "0 " + std::to_string(::getuid()) + " 1";
    const std::string group = "0 " + std::to_string(::getgid()) + " 1";
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
        write_text("/proc/self/setgroups", "deny");
        write_text("/proc/self/uid_map", user);
        write_text("/proc/self/gid_map", group);
        return true;
    }
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}
/// Gives this process a disk of its own, where the system lets it.
auto mount_disk(const std::string& at, const char* size) -> bool {
    return may_mount() && ::mount("tmpfs", at.c_str(), "tmpfs", 0, size) == 0;
}

/// Fills the file until the disk is full; `more` makes the disk larger then. Tells the batches that
/// were done, and 0 for each refusal, which must be two.
template <class More> void fill(const cobus::spool_place& where, int answers, More more) {
    std::uint64_t batch = 0;
    {
        sqlite_spool file(where);
        (void)file.open();
        const auto next = [&] {
            std::vector<spool_row> put;
            put.push_back(rows::make(batch + 1, "k", std::string(20'000, 'x')));
            rows::put_all(file, put);
            rows::answer(answers, ++batch);
        };
        for (int refusals = 0; refusals < 2;) {
            try {
                next();
            } catch (const cobus::error& full) {
                if (full.code() != cobus::errc::queue_full ||
                    file.read(0, 100'000, everything).size() != batch) {
                    throw;
                }
                ++refusals;
                rows::answer(answers, 0);
            }
        }
        more();
        for (int i = 0; i < 20; ++i) {
            next();
        }
    }
    sqlite_spool again(where);
    rows::answer(answers, again.open().rows);
}

/// What `fill` must have told.
void check_filling(rows::crashing_child& child) {
    std::vector<std::uint64_t> told;
    for (auto next = child.next_answer(); next; next = child.next_answer()) {
        told.push_back(*next);
    }
    CHECK(child.wait() == 0);
    std::uint64_t done = 0;
    std::size_t refusals = 0;
    REQUIRE(told.size() > 20);
    for (std::size_t i = 0; i + 1 < told.size(); ++i) {
        refusals += told[i] == 0 ? 1U : 0U;
        done += told[i] != 0 ? 1U : 0U;
    }
    CHECK(refusals == 2);
    CHECK(done > 21); // some before the disk was full
    CHECK(told.back() == done);
}

} // namespace

TEST_CASE("a process killed at any moment leaves all that it was answered, and nothing half") {
    const cobus::test::temporary_folder folder;
    auto where = place_in(folder);
    std::mt19937_64 random(20);
    std::uint64_t done = 0;
    std::size_t unanswered = 0;
    constexpr int kills = 60;
    for (int round = 0; round < kills; ++round) {
        where.synchronous = static_cast<cobus::spool_synchronous>(round % 3);
        rows::crashing_child child([&where](int answers) {
            sqlite_spool file(where);
            const auto contents = file.open();
            for (std::uint64_t batch = (contents.next_sequence - 1) / in_batch + 1;; ++batch) {
                do_batch(file, batch);
                rows::answer(answers, batch);
            }
        });
        std::uint64_t answered = done;
        const auto check_answer = [&answered](std::optional<std::uint64_t> next) {
            if (next) {
                REQUIRE(*next == answered + 1);
                answered = *next;
            }
            return next.has_value();
        };
        if (round % 4 != 0) { // the others may die while they open it
            REQUIRE(check_answer(child.next_answer()));
        }
        std::thread killer([&child, wait = random() % 25'000] {
            std::this_thread::sleep_for(std::chrono::microseconds(wait)); // the moment of the crash
            ::kill(child.id(), SIGKILL);
        });
        while (check_answer(child.next_answer())) {
        }
        killer.join();
        CHECK(WIFSIGNALED(child.wait()));
        sqlite_spool file(where);
        const auto contents = file.open();
        done = (contents.next_sequence - 1) / in_batch;
        REQUIRE((done == answered || done == answered + 1));
        REQUIRE(is_after(file, done));
        CHECK(contents.refused == (done > 0 ? done - 1 : 0));
        unanswered += done - answered;
    }
    MESSAGE(kills, " kills, ", done, " batches, ", unanswered, " of them not answered");
    CHECK(done >= kills / 2);
}

TEST_CASE("of processes that open a spool at once exactly one gets it") {
    for (int round = 0; round < 10; ++round) {
        const cobus::test::temporary_folder folder;
        const auto where = place_in(folder);
        std::vector<std::unique_ptr<rows::crashing_child>> all;
        for (int i = 0; i < 6; ++i) {
            all.push_back(std::make_unique<rows::crashing_child>([&where](int answers) {
                sqlite_spool file(where);
                try {
                    (void)file.open();
                    rows::answer(answers, 1);
                } catch (const cobus::error& held) {
                    rows::answer(answers, held.code() == cobus::errc::store_failed ? 0 : 100);
                }
                ::pause(); // with what it has
            }));
        }
        std::uint64_t owners = 0;
        for (const auto& each : all) {
            owners += each->next_answer().value_or(1000);
        }
        CHECK(owners == 1);
    }
}

TEST_CASE("a file that may not grow refuses, keeps what it has, and goes on when it may") {
    const cobus::test::temporary_folder folder;
    const auto where = place_in(folder);
    rows::crashing_child child([&where](int answers) {
        ::signal(SIGXFSZ, SIG_IGN);
        rlimit limit{};
        ::getrlimit(RLIMIT_FSIZE, &limit);
        limit.rlim_cur = 3U << 20U;
        ::setrlimit(RLIMIT_FSIZE, &limit);
        fill(where, answers, [&limit] {
            limit.rlim_cur = limit.rlim_max;
            ::setrlimit(RLIMIT_FSIZE, &limit);
        });
    });
    check_filling(child);
}

TEST_CASE("a full disk refuses, keeps what is on it, and goes on when there is room") {
    const cobus::test::temporary_folder folder;
    const auto where = place_in(folder);
    const std::string disk = folder.path().string();
    bool possible = true;
    {
        rows::crashing_child trying([&disk](int answers) {
            const bool mounted = mount_disk(disk, "size=4k");
            rows::answer(answers, mounted ? 1 : 0);
        });
        possible = trying.next_answer() == 1;
    }
    if (!possible) {
        const char* const ci = std::getenv("CI");
        CHECK_MESSAGE((ci == nullptr || std::string_view(ci) != "true"),
                      "CI=true, and this machine lets nobody mount a small disk of his own");
        MESSAGE("skipped: this machine lets nobody mount a small disk of his own");
        return;
    }
    rows::crashing_child child([&](int answers) {
        if (!mount_disk(disk, "size=4m")) {
            return;
        }
        fill(where, answers,
             [&disk] { ::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=64m"); });
    });
    check_filling(child);
}

} // namespace sqlite_spool_crashes
