#pragma once

#include "../detail/file_lock.hpp"
#include "../detail/sqlite.hpp"
#include "../error.hpp"
#include "../transport/options.hpp"
#include "spool_file.hpp"
#include "spool_record.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace cobus::degrade {

/// The tables of a spool's file, and what is done to single rows of them.
class spool_tables {
    using statement = detail::sqlite::statement;
    using use = detail::sqlite::use;

public:
    /// Errors: throws, without having changed the file, when it is not a spool of this format.
    explicit spool_tables(const spool_place& where)
        : how_(where.how),
          file_(opened(where)),
          put_(file_, put_text),
          move_(file_, move_text),
          settle_(file_, settle_text),
          drop_(file_, drop_text),
          unsettle_(file_, unsettle_text),
          refuse_(file_, refuse_text),
          read_(file_, read_text),
          settled_(file_, settled_text),
          given_(file_, given_text),
          any_(file_, any_text) {}

    /// Begins another run of the file: what the client of an earlier one had is nobody's any more.
    [[nodiscard]] auto take_over() -> spool_contents {
        using detail::sqlite::number_of;
        spool_contents found;
        const auto whole = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
        {
            statement sums(file_, sums_text);
            (void)sums.step();
            found.rows = whole(sums.number(0));
            found.bytes = whole(sums.number(1));
            found.oldest = time_point(std::chrono::milliseconds(sums.number(2)));
            next_ = (std::max)(sums.number(3) + 1, number_of(file_, "SELECT next FROM given"));
        }
        found.refused = whole(number_of(file_, "SELECT count(*) FROM refused"));
        next_ = (std::max)(next_, number_of(file_, "SELECT max(sequence) + 1 FROM refused"));
        found.next_sequence = whole(next_);
        run_ = number_of(file_, "SELECT run FROM given") + 1;
        pairs_ = number_of(file_, "SELECT count(*) FROM settled");
        return found;
    }

    template <class Changes> void all_or_nothing(Changes changes) {
        const auto before = std::pair(next_, pairs_);
        try {
            detail::sqlite::transaction all(file_);
            changes();
            if (next_ != before.first || !run_told_) {
                const use giving(given_);
                (void)giving->bind(next_).bind(run_).step();
            }
            all.commit();
            run_told_ = true;
        } catch (...) {
            std::tie(next_, pairs_) = before;
            throw;
        }
    }

    void change(const row_put& what) {
        const spool_row& row = *what.row;
        const message& content = row.content;
        made_.take(content, how_);
        std::array<char, 36> room; // NOLINT: written before it is read
        const use putting(put_);
        putting->bind(as_number(row.sequence)).bind(number_of_state(row.state));
        putting->bind(as_number(row.when_away)).bind(std::int64_t{row.partition});
        putting->bind(millis(row.since)).bind(as_number(made_.form));
        putting->bind(content.topic()).bind(content.type()).bind(content.source());
        // None is no text: that of its bytes is an id, too.
        const message_id& id = content.id();
        putting->bind(id.empty() ? std::string_view("") : id.view(room));
        putting->bind(millis(content.time()));
        bind_bytes_or_null(*putting, content.key());
        putting->bind_bytes(made_.headers);
        if (made_.in_envelope) {
            putting->bind_bytes(made_.envelope);
        } else {
            bind_bytes_or_null(*putting, content.is_null() ? std::optional<std::string_view>()
                                                           : content.payload());
        }
        (void)putting->step();
        next_ = (std::max)(next_, as_number(row.sequence) + 1);
        for (const executor_name& each : row.settled) {
            settle(row.sequence, each);
        }
    }
    void change(const row_moved& what) {
        const use moving(move_);
        (void)moving->bind(as_number(what.sequence)).bind(number_of_state(what.to)).step();
    }
    void change(const row_settled& what) { settle(what.sequence, what.by); }
    void change(const row_gone& what) {
        drop(what.sequence);
        unsettle(what.sequence);
    }
    void change(const row_refused& what) {
        {
            const use refusing(refuse_);
            refusing->bind(as_number(what.sequence)).bind(std::string_view(what.cause));
            (void)refusing->bind(millis(std::chrono::floor<std::chrono::milliseconds>(what.at)))
                .step();
        }
        drop(what.sequence);
    }

    [[nodiscard]] auto read(std::uint64_t from, std::size_t rows, std::size_t bytes)
        -> std::vector<spool_row> {
        std::vector<spool_row> found;
        {
            const use reading(read_);
            reading->bind(as_number(from));
            std::size_t size = 0;
            while (found.size() < rows && (found.empty() || size < bytes) && reading->step()) {
                found.push_back(row_of(*reading));
                size += bytes_of(found.back().content);
            }
        }
        if (pairs_ > 0) {
            for (spool_row& each : found) {
                add_settled(each);
            }
        }
        return found;
    }

    /// `add(row, cause, at)` for each.
    template <class Add>
    void read_refused(std::uint64_t from, std::size_t rows, std::size_t bytes, Add add) {
        statement reading(file_, refused_text);
        reading.bind(as_number(from));
        std::size_t size = 0;
        for (std::size_t i = 0; i < rows && (i == 0 || size < bytes) && reading.step(); ++i) {
            spool_row row = row_of(reading);
            add_settled(row);
            size += bytes_of(row.content);
            add(std::move(row), std::string(reading.bytes(columns)),
                time_point(std::chrono::milliseconds(reading.number(columns + 1))));
        }
    }
    auto restore(std::uint64_t sequence, time_point now) -> bool {
        statement putting(file_, restore_text);
        (void)putting.bind(as_number(sequence)).bind(millis(now)).step();
        const bool there = file_.changes() != 0;
        forget_refused(sequence);
        return there;
    }
    auto discard(std::uint64_t sequence) -> bool {
        const bool there = forget_refused(sequence);
        unsettle(sequence);
        return there;
    }

    /// Gives the disk back after an outage, when there is hardly anything left to copy.
    void give_back() {
        {
            const use looking(any_);
            if (looking->step()) {
                return;
            }
        }
        constexpr std::int64_t much = 16384; // pages of 4 KiB
        if (detail::sqlite::number_of(file_, "PRAGMA freelist_count") < much) {
            return;
        }
        try {
            file_.run("VACUUM");
        } catch (const error&) { // NOLINT(bugprone-empty-catch): the file stays as large as it is
        }
    }

private:
    static constexpr std::int64_t application = 0x436F6273; // "Cobs"
    static constexpr std::int64_t format = 1;
    static constexpr int columns = 14;

    // `policy` and `form` are the numbers of their enumerations. `state` is 0, or the run of the
    // file whose client has the row: so nothing has to be written when the next one begins.
    static constexpr const char* tables =
        "CREATE TABLE rows(sequence INTEGER PRIMARY KEY, state INTEGER NOT NULL, "
        "policy INTEGER NOT NULL, partition INTEGER NOT NULL, since INTEGER NOT NULL, "
        "form INTEGER NOT NULL, topic TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL, "
        "id TEXT NOT NULL, time INTEGER NOT NULL, key BLOB, headers BLOB NOT NULL, payload BLOB);"
        "CREATE TABLE refused(sequence INTEGER PRIMARY KEY, state INTEGER NOT NULL, "
        "policy INTEGER NOT NULL, partition INTEGER NOT NULL, since INTEGER NOT NULL, "
        "form INTEGER NOT NULL, topic TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL, "
        "id TEXT NOT NULL, time INTEGER NOT NULL, key BLOB, headers BLOB NOT NULL, payload BLOB, "
        "cause TEXT NOT NULL, refused_at INTEGER NOT NULL);"
        "CREATE TABLE settled(sequence INTEGER NOT NULL, by_group TEXT NOT NULL, "
        "handler TEXT NOT NULL, PRIMARY KEY(sequence, by_group, handler)) WITHOUT ROWID;"
        "CREATE TABLE given(next INTEGER NOT NULL, run INTEGER NOT NULL);"
        "INSERT INTO given VALUES(1, 0);";
    static constexpr const char* sums_text =
        "SELECT count(*), coalesce(sum(coalesce(length(payload), 0) + coalesce(length(key), 0)), "
        "0), coalesce(min(since), 0), coalesce(max(sequence), 0) FROM rows";
    static constexpr const char* put_text =
        "INSERT OR REPLACE INTO rows VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    static constexpr const char* move_text = "UPDATE rows SET state = ?2 WHERE sequence = ?1";
    static constexpr const char* settle_text =
        "INSERT OR IGNORE INTO settled SELECT ?1, ?2, ?3 WHERE EXISTS(SELECT 1 FROM rows WHERE "
        "sequence = ?1)";
    static constexpr const char* drop_text = "DELETE FROM rows WHERE sequence = ?";
    static constexpr const char* unsettle_text =
        "DELETE FROM settled WHERE sequence = ?1 AND NOT EXISTS("
        "SELECT 1 FROM refused WHERE sequence = ?1)";
    static constexpr const char* refuse_text =
        "INSERT OR REPLACE INTO refused SELECT *, ?2, ?3 FROM rows WHERE sequence = ?1";
    static constexpr const char* restore_text =
        "INSERT OR REPLACE INTO rows SELECT sequence, 0, policy, partition, ?2, form, topic, type, "
        "source, id, time, key, headers, payload FROM refused WHERE sequence = ?1";
    static constexpr const char* read_text =
        "SELECT * FROM rows WHERE sequence >= ? ORDER BY sequence";
    static constexpr const char* refused_text =
        "SELECT * FROM refused WHERE sequence >= ? ORDER BY sequence";
    static constexpr const char* settled_text =
        "SELECT by_group, handler FROM settled WHERE sequence = ?";
    static constexpr const char* given_text = "UPDATE given SET next = ?, run = ?";
    static constexpr const char* any_text = "SELECT 1 FROM rows LIMIT 1";

    [[nodiscard]] static auto opened(const spool_place& where) -> detail::sqlite::database {
        constexpr std::chrono::seconds patience(2); // for a person who looks into it
        detail::sqlite::database file(where.path, patience);
        // Nobody shares the index then, so it needs no mapped file, whose disk could be full.
        file.run("PRAGMA locking_mode=EXCLUSIVE");
        const bool made = !recognised(file);
        file.run("PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=67108864");
        file.run(where.synchronous == spool_synchronous::off    ? "PRAGMA synchronous=OFF"
                 : where.synchronous == spool_synchronous::full ? "PRAGMA synchronous=FULL"
                                                                : "PRAGMA synchronous=NORMAL");
        if (made) {
            make(file);
            detail::sync_folder_of(where.path);
        }
        return file;
    }
    /// False for an empty file.
    [[nodiscard]] static auto recognised(detail::sqlite::database& file) -> bool {
        using detail::sqlite::number_of;
        const std::int64_t whose = number_of(file, "PRAGMA application_id");
        const std::int64_t found = number_of(file, "PRAGMA user_version");
        if (whose == application && found == format) {
            return true;
        }
        if (whose == application && found > format) {
            throw error(errc::bad_settings, file.path() + ": has format " + std::to_string(found) +
                                                ", this version knows " + std::to_string(format) +
                                                "; let the newer version send what is in it");
        }
        if (whose != 0 || found != 0 ||
            number_of(file, "SELECT count(*) FROM sqlite_master") != 0) {
            throw error(errc::bad_settings,
                        file.path() + ": is a database, but no spool of cobus; name another file");
        }
        return false;
    }
    static void make(detail::sqlite::database& file) {
        detail::sqlite::transaction all(file);
        file.run(tables);
        file.run(("PRAGMA application_id=" + std::to_string(application) +
                  "; PRAGMA user_version=" + std::to_string(format))
                     .c_str());
        all.commit();
    }

    void settle(std::uint64_t sequence, const executor_name& who) {
        const use settling(settle_);
        settling->bind(as_number(sequence)).bind(std::string_view(who.group));
        (void)settling->bind(std::string_view(who.handler)).step();
        ++pairs_; // or fewer: it only has to be 0 when there is none
    }
    void drop(std::uint64_t sequence) {
        const use dropping(drop_);
        (void)dropping->bind(as_number(sequence)).step();
    }
    void unsettle(std::uint64_t sequence) {
        if (pairs_ > 0) {
            const use forgetting(unsettle_);
            (void)forgetting->bind(as_number(sequence)).step();
        }
    }
    auto forget_refused(std::uint64_t sequence) -> bool {
        statement forgetting(file_, "DELETE FROM refused WHERE sequence = ?");
        (void)forgetting.bind(as_number(sequence)).step();
        return file_.changes() != 0;
    }
    void add_settled(spool_row& to) {
        const use asking(settled_);
        asking->bind(as_number(to.sequence));
        while (asking->step()) {
            to.settled.push_back({std::string(asking->bytes(0)), std::string(asking->bytes(1))});
        }
    }
    [[nodiscard]] auto row_of(const statement& from) const -> spool_row {
        spool_row row;
        row.sequence = static_cast<std::uint64_t>(from.number(0));
        row.state = from.number(1) == run_ ? row_state::in_client : row_state::pending;
        row.when_away = static_cast<policy>(from.number(2));
        row.partition = static_cast<std::int32_t>(from.number(3));
        row.since = time_point(std::chrono::milliseconds(from.number(4)));
        message& content = row.content;
        content.form(static_cast<wire::mode>(from.number(5)));
        content.topic(from.bytes(6));
        content.type(from.bytes(7));
        content.source(from.bytes(8));
        content.id(message_id::from_text(from.bytes(9)));
        content.time(time_point(std::chrono::milliseconds(from.number(10))));
        if (!from.is_null(11)) {
            content.key(from.bytes(11));
        }
        if (!unpack_headers(from.bytes(12), content.headers())) {
            throw error(errc::bad_settings, file_.path() + ": is damaged: the headers of row " +
                                                std::to_string(row.sequence) +
                                                " cannot be read; move the file away");
        }
        if (!from.is_null(13)) {
            content.payload(std::string(from.bytes(13)));
        }
        return row;
    }

    [[nodiscard]] auto number_of_state(row_state state) const noexcept -> std::int64_t {
        return state == row_state::in_client ? run_ : 0;
    }
    static void bind_bytes_or_null(statement& to, std::optional<std::string_view> bytes) {
        if (bytes) {
            to.bind_bytes(*bytes);
        } else {
            to.bind_null();
        }
    }
    template <class Value> [[nodiscard]] static auto as_number(Value value) -> std::int64_t {
        return static_cast<std::int64_t>(value);
    }
    [[nodiscard]] static auto millis(time_point when) noexcept -> std::int64_t {
        return when.time_since_epoch().count();
    }

    wire how_;
    detail::sqlite::database file_;
    statement put_, move_, settle_, drop_, unsettle_, refuse_, read_, settled_, given_, any_;
    outgoing made_;
    std::int64_t next_ = 1;
    std::int64_t run_ = 1;
    bool run_told_ = false; ///< to the file
    std::int64_t pairs_ = 0;
};

} // namespace cobus::degrade
