#pragma once

#include "../detail/sql.hpp"
#include "row.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::detail {

/// The tables of an outbox and their statements, on any database that has a session.
template <class Session> class outbox_tables {
public:
    /// Makes what is not there.
    static void create(Session& on) {
        const std::string number = std::string(" ") + Session::integer + " NOT NULL";
        const std::string columns =
            "shard" + number + ", id TEXT NOT NULL, source TEXT NOT NULL, type TEXT NOT NULL, " +
            "topic TEXT NOT NULL, message_key " + Session::bytes + ", partition" + number +
            ", message_time" + number + ", wire TEXT NOT NULL, headers " + Session::bytes +
            " NOT NULL, payload " + Session::bytes;
        const std::string serial = std::string("sequence ") + Session::serial + ", ";
        on.run(("CREATE TABLE IF NOT EXISTS cobus_outbox(" + serial + columns + ")").c_str());
        on.run(("CREATE TABLE IF NOT EXISTS cobus_outbox_refused(" + serial + columns +
                ", cause TEXT NOT NULL, refused_at" + number + ")")
                   .c_str());
        on.run(("CREATE TABLE IF NOT EXISTS cobus_outbox_lease(shard " +
                std::string(Session::integer) + " PRIMARY KEY, owner TEXT NOT NULL, fence" +
                number + ", until" + number + ")")
                   .c_str());
        for (std::int64_t shard = 0; shard < outbox_shards; ++shard) {
            on.query("INSERT INTO cobus_outbox_lease VALUES($1, '', 0, 0) ON CONFLICT DO NOTHING",
                     {shard});
        }
    }

    static void insert(Session& on, const outbox_row& row) {
        on.query("INSERT INTO cobus_outbox(" + names() +
                     ") VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                 {row.shard, text(row.id), text(row.source), text(row.type), text(row.topic),
                  sql::blob_or_null(row.key), row.partition, row.time, text(row.wire),
                  sql::blob{row.headers}, sql::blob_or_null(row.payload)});
        if (Session::wake != nullptr) {
            on.run(Session::wake);
        }
    }

    struct held {
        std::int64_t shard = 0;
        std::int64_t fence = 0;
    };
    /// Renews the own leases before it takes others.
    [[nodiscard]] static auto lease(Session& on, std::string_view owner, std::int64_t length,
                                    std::int64_t most) -> std::vector<held> {
        const std::string now = Session::now;
        const sql::rows rows = on.query(
            "UPDATE cobus_outbox_lease SET fence = fence + CASE WHEN owner = $1 THEN 0 ELSE 1 END, "
            "owner = $1, until = " +
                now +
                " + $2 WHERE shard IN (SELECT shard FROM cobus_outbox_lease WHERE owner = $1 "
                "OR until <= " +
                now + " ORDER BY CASE WHEN owner = $1 THEN 0 ELSE 1 END, shard LIMIT $3" +
                Session::skip_locked + ") RETURNING shard, fence",
            {owner, length, most});
        std::vector<held> all;
        for (const sql::row& each : rows) {
            all.push_back(held{each[0].number(), each[1].number()});
        }
        return all;
    }
    static void release(Session& on, std::string_view owner) {
        on.query("UPDATE cobus_outbox_lease SET until = 0 WHERE owner = $1", {owner});
    }

    [[nodiscard]] static auto read(Session& on, std::span<const held> shards, std::int64_t most)
        -> std::vector<outbox_row> {
        std::string list;
        for (const held& each : shards) {
            list.append(list.empty() ? "" : ", ").append(std::to_string(each.shard));
        }
        const sql::rows found =
            on.query("SELECT sequence, " + names() + " FROM cobus_outbox WHERE shard IN (" + list +
                         ") ORDER BY sequence LIMIT $1",
                     {most});
        std::vector<outbox_row> all;
        all.reserve(found.size());
        for (const sql::row& each : found) {
            all.push_back(from_columns(each));
        }
        return all;
    }
    /// Rows of one shard.
    static void remove(Session& on, std::string_view owner, const held& by,
                       const std::vector<std::int64_t>& sequences) {
        std::string list;
        for (const std::int64_t each : sequences) {
            list.append(list.empty() ? "" : ", ").append(std::to_string(each));
        }
        on.query("DELETE FROM cobus_outbox WHERE sequence IN (" + list + ") AND " + fenced(),
                 {by.shard, owner, by.fence});
    }
    static void refuse(Session& on, std::string_view owner, const held& by, std::int64_t sequence,
                       std::string_view cause) {
        on.query("INSERT INTO cobus_outbox_refused(" + names() + ", cause, refused_at) SELECT " +
                     names() + ", $5, " + Session::now + " FROM cobus_outbox WHERE sequence = $4 " +
                     "AND " + fenced(),
                 {by.shard, owner, by.fence, sequence, cause});
        remove(on, owner, by, std::vector<std::int64_t>{sequence});
    }
    /// Puts refused rows back, behind what waits.
    [[nodiscard]] static auto restore(Session& on) -> std::size_t {
        const sql::rows back =
            on.query("INSERT INTO cobus_outbox(" + names() + ") SELECT " + names() +
                         " FROM cobus_outbox_refused ORDER BY sequence "
                         "RETURNING sequence",
                     {});
        on.run("DELETE FROM cobus_outbox_refused");
        return back.size();
    }

    struct counts {
        std::int64_t waiting = 0;
        std::int64_t refused = 0;
    };
    [[nodiscard]] static auto count(Session& on) -> counts {
        const sql::rows found = on.query("SELECT (SELECT count(*) FROM cobus_outbox), "
                                         "(SELECT count(*) FROM cobus_outbox_refused)",
                                         {});
        return counts{found.at(0)[0].number(), found.at(0)[1].number()};
    }

private:
    [[nodiscard]] static auto text(const std::string& value) -> std::string_view { return value; }
    [[nodiscard]] static auto names() -> std::string {
        return "shard, id, source, type, topic, message_key, partition, message_time, wire, "
               "headers, payload";
    }
    /// As long as the lease is the one that the row was read under.
    [[nodiscard]] static auto fenced() -> std::string {
        return "EXISTS (SELECT 1 FROM cobus_outbox_lease AS held WHERE held.shard = $1 AND "
               "held.owner = $2 AND held.fence = $3)";
    }
    [[nodiscard]] static auto from_columns(const sql::row& cells) -> outbox_row {
        outbox_row row;
        row.sequence = cells[0].number();
        row.shard = cells[1].number();
        row.id = cells[2].text();
        row.source = cells[3].text();
        row.type = cells[4].text();
        row.topic = cells[5].text();
        row.key = cells[6].maybe();
        row.partition = cells[7].number();
        row.time = cells[8].number();
        row.wire = cells[9].text();
        row.headers = cells[10].text();
        row.payload = cells[11].maybe();
        return row;
    }
};

} // namespace cobus::detail
