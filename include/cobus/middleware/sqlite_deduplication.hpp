#pragma once

#include "../detail/sqlite.hpp"
#include "deduplication.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

namespace cobus {

/// Remembers in an SQLite file, so also over restarts, and among processes of one machine that open
/// the same file.
///
/// A claim and a confirmation are a transaction each, in WAL mode with `synchronous=NORMAL`: they
/// survive a crash of the process; a power failure may take the last of them back, and then those
/// events are handled once more. They run on the bus's own thread and block it for some ten
/// microseconds each, for a sync of the disk at a checkpoint (about each thousandth), and for up to
/// `patience` while another process writes.
///
/// Errors: the constructor and all calls throw `cobus::error`: `errc::bad_settings` when the file
/// is no such store or damaged, `errc::queue_full` when the disk is full, else
/// `errc::store_failed`. Thread safety: any thread.
class sqlite_deduplication final : public deduplication_store {
public:
    /// A file of that path, made if need be, readable for its owner only.
    explicit sqlite_deduplication(const std::string& path)
        : sqlite_deduplication(path, deduplication_limits()) {}
    sqlite_deduplication(const std::string& path, const deduplication_limits& limits)
        : limits_(limits),
          file_(opened(path)),
          claim_(file_, claim_text),
          look_(file_, look_text),
          confirm_(file_, confirm_text),
          release_(file_, release_text),
          forget_(file_, forget_text),
          surplus_(file_, surplus_text) {}

    [[nodiscard]] auto claim(const event_identity& which, std::uint64_t owner, time_point now)
        -> claimed override {
        const std::lock_guard lock(guard_);
        {
            const detail::sqlite::use claiming(claim_);
            bind(*claiming, which);
            claiming->bind(static_cast<std::int64_t>(owner)).bind(millis(now + limits_.lease()));
            claiming->bind(millis(now));
            if (claiming->step()) {
                (void)claiming->step(); // to its end, which commits
                return {};
            }
        }
        const detail::sqlite::use looking(look_);
        bind(*looking, which);
        if (!looking->step()) { // given back just now
            return {answer::busy, now + std::chrono::milliseconds(1)};
        }
        const time_point until{std::chrono::milliseconds(looking->number(1))};
        return {looking->number(0) != 0 ? answer::done : answer::busy, until};
    }
    void confirm(const event_identity& which, time_point now) override {
        const std::lock_guard lock(guard_);
        {
            const detail::sqlite::use confirming(confirm_);
            bind(*confirming, which);
            confirming->bind(millis(now + limits_.age())).bind(millis(now));
            (void)confirming->step();
        }
        if (++confirmed_ % forget_each == 1) {
            forget(now);
        }
    }
    void release(const event_identity& which, std::uint64_t owner) override {
        const std::lock_guard lock(guard_);
        const detail::sqlite::use releasing(release_);
        bind(*releasing, which);
        releasing->bind(static_cast<std::int64_t>(owner));
        (void)releasing->step();
    }

private:
    static constexpr std::int64_t application = 0x436F6264; // "Cobd"
    static constexpr std::int64_t format = 1;
    static constexpr std::size_t forget_each = 256;

    // `done`: 0 claimed, 1 handled; `until`: when that is forgotten, in ms since 1970.
    static constexpr const char* tables =
        "CREATE TABLE IF NOT EXISTS events("
        "handler TEXT NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL, "
        "owner INTEGER NOT NULL, done INTEGER NOT NULL, until INTEGER NOT NULL, "
        "PRIMARY KEY(handler, source, id)) WITHOUT ROWID;"
        "CREATE INDEX IF NOT EXISTS events_by_age ON events(done, until);";
    static constexpr const char* claim_text =
        "INSERT INTO events VALUES(?1, ?2, ?3, ?4, 0, ?5) ON CONFLICT DO UPDATE "
        "SET owner = excluded.owner, done = 0, until = excluded.until "
        "WHERE until <= ?6 OR (done = 0 AND owner = excluded.owner) RETURNING 1";
    static constexpr const char* look_text =
        "SELECT done, until FROM events WHERE handler = ?1 AND source = ?2 AND id = ?3";
    static constexpr const char* confirm_text =
        "INSERT INTO events VALUES(?1, ?2, ?3, 0, 1, ?4) ON CONFLICT DO UPDATE "
        "SET owner = 0, done = 1, until = excluded.until WHERE done = 0 OR until <= ?5";
    static constexpr const char* release_text =
        "DELETE FROM events WHERE handler = ?1 AND "
        "source = ?2 AND id = ?3 AND done = 0 AND owner = ?4";
    static constexpr const char* forget_text =
        "DELETE FROM events WHERE done IN (0, 1) AND until <= ?1";
    /// Up to 1024 of those that are too many, the oldest first, found by their index.
    static constexpr const char* surplus_text =
        "DELETE FROM events WHERE (handler, source, id) IN ("
        "SELECT handler, source, id FROM events WHERE done = 1 ORDER BY until LIMIT "
        "(SELECT min(1024, max(0, count(*) - ?1)) FROM events WHERE done = 1))";

    [[nodiscard]] auto opened(const std::string& path) const -> detail::sqlite::database {
        constexpr std::chrono::seconds patience(5);
        detail::sqlite::database file(path, patience);
        const auto number = [&file](const char* sql) {
            detail::sqlite::statement asking(file, sql);
            return asking.step() ? asking.number(0) : 0;
        };
        file.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;");
        file.run("BEGIN IMMEDIATE"); // two processes may be making it
        const std::int64_t whose = number("PRAGMA application_id");
        const std::int64_t found = number("PRAGMA user_version");
        const bool empty = number("SELECT count(*) FROM sqlite_master") == 0;
        if (!empty && (whose != application || found != format)) {
            throw error(errc::bad_settings,
                        path + ": " +
                            (whose != application
                                 ? "is no deduplication store of cobus; name "
                                   "another file"
                                 : "has format " + std::to_string(found) + ", this version knows " +
                                       std::to_string(format)));
        }
        file.run(tables);
        file.run(("PRAGMA application_id=" + std::to_string(application) +
                  "; PRAGMA user_version=" + std::to_string(format) + "; COMMIT")
                     .c_str());
        return file;
    }
    static void bind(detail::sqlite::statement& to, const event_identity& which) {
        to.bind(which.handler).bind(which.source).bind(which.id);
    }
    [[nodiscard]] static auto millis(time_point when) noexcept -> std::int64_t {
        return when.time_since_epoch().count();
    }
    void forget(time_point now) {
        {
            const detail::sqlite::use forgetting(forget_);
            (void)forgetting->bind(millis(now)).step();
        }
        const detail::sqlite::use dropping(surplus_);
        (void)dropping->bind(static_cast<std::int64_t>(limits_.events())).step();
    }

    std::mutex guard_;
    deduplication_limits limits_;
    detail::sqlite::database file_;
    detail::sqlite::statement claim_;
    detail::sqlite::statement look_;
    detail::sqlite::statement confirm_;
    detail::sqlite::statement release_;
    detail::sqlite::statement forget_;
    detail::sqlite::statement surplus_;
    std::size_t confirmed_ = 0;
};

} // namespace cobus
