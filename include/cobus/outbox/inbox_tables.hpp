#pragma once

#include "../detail/sql.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cobus::detail {

/// Who handled what.
struct inbox_key {
    std::string_view group;
    std::string_view handler;
    std::string_view source;
    std::string_view id;
};

/// The table of an inbox and its statements, on any database that has a session. A row is a claim
/// until `done`; what is past its `until` counts as not there.
template <class Session> class inbox_table {
public:
    static void create(Session& on) {
        const std::string number = std::string(" ") + Session::integer + " NOT NULL";
        on.run(("CREATE TABLE IF NOT EXISTS cobus_inbox(handler_group TEXT NOT NULL, handler TEXT "
                "NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL, done" +
                number + ", fence" + number + ", until" + number +
                ", PRIMARY KEY(handler_group, handler, source, id))")
                   .c_str());
        on.run("CREATE INDEX IF NOT EXISTS cobus_inbox_until ON cobus_inbox(until)");
    }

    /// Notes it as handled; false: it was already.
    [[nodiscard]] static auto confirm(Session& on, const inbox_key& key, std::int64_t window)
        -> bool {
        const std::string now = Session::now;
        return !on.query("INSERT INTO cobus_inbox VALUES($1, $2, $3, $4, 1, 0, " + now +
                             " + $5) ON CONFLICT (handler_group, handler, source, id) DO UPDATE "
                             "SET done = 1, until = excluded.until WHERE cobus_inbox.done = 0 OR "
                             "cobus_inbox.until <= " +
                             now + " RETURNING done",
                         {key.group, key.handler, key.source, key.id, window})
                    .empty();
    }

    /// The fencing number of a new claim; none: somebody has it, or had.
    [[nodiscard]] static auto claim(Session& on, const inbox_key& key, std::int64_t lease)
        -> std::optional<std::int64_t> {
        const std::string now = Session::now;
        // Beyond the clock: a claim that was forgotten and made anew has another number, too.
        const sql::rows made =
            on.query("INSERT INTO cobus_inbox VALUES($1, $2, $3, $4, 0, " + now + ", " + now +
                         " + $5) ON CONFLICT (handler_group, handler, source, id) DO UPDATE SET "
                         "done = 0, until = excluded.until, fence = CASE WHEN cobus_inbox.fence >= "
                         "excluded.fence THEN cobus_inbox.fence + 1 ELSE excluded.fence END "
                         "WHERE cobus_inbox.until <= " +
                         now + " RETURNING fence",
                     {key.group, key.handler, key.source, key.id, lease});
        return made.empty() ? std::nullopt : std::optional(made[0][0].number());
    }
    struct standing {
        bool done = false;
        std::int64_t left = 0; ///< milliseconds, of a claim
    };
    [[nodiscard]] static auto look(Session& on, const inbox_key& key) -> standing {
        const sql::rows found = on.query(std::string("SELECT done, until - ") + Session::now +
                                             " FROM cobus_inbox" + which(),
                                         {key.group, key.handler, key.source, key.id});
        return found.empty() ? standing()
                             : standing{found[0][0].number() != 0, found[0][1].number()};
    }
    /// False: the claim is somebody else's by now, or forgotten.
    [[nodiscard]] static auto confirm_claim(Session& on, const inbox_key& key, std::int64_t fence,
                                            std::int64_t window) -> bool {
        return !on.query(std::string("UPDATE cobus_inbox SET done = 1, until = ") + Session::now +
                             " + $6" + which() + " AND done = 0 AND fence = $5 RETURNING done",
                         {key.group, key.handler, key.source, key.id, fence, window})
                    .empty();
    }
    static void release(Session& on, const inbox_key& key, std::int64_t fence) {
        on.query("UPDATE cobus_inbox SET until = 0" + which() + " AND done = 0 AND fence = $5",
                 {key.group, key.handler, key.source, key.id, fence});
    }
    /// Deletes what is past its time, up to `most`.
    static auto forget(Session& on, std::int64_t most) -> std::size_t {
        const std::string names = "handler_group, handler, source, id";
        return on
            .query("DELETE FROM cobus_inbox WHERE (" + names + ") IN (SELECT " + names +
                       " FROM cobus_inbox WHERE until <= " + Session::now + " LIMIT $1" +
                       Session::skip_locked + ") RETURNING id",
                   {most})
            .size();
    }

private:
    [[nodiscard]] static auto which() -> std::string {
        return " WHERE handler_group = $1 AND handler = $2 AND source = $3 AND id = $4";
    }
};

} // namespace cobus::detail
