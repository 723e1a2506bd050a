#pragma once

#include "../error.hpp"
#include "sql.hpp"
#include "sqlite.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace cobus::detail::sqlite {

/// Statements on somebody's connection, or on one of its own. Errors: throws `cobus::error` with
/// `errc::unavailable` and what SQLite says.
class session {
public:
    // Where SQLite and PostgreSQL write the same in two ways.
    static constexpr const char* serial = "INTEGER PRIMARY KEY AUTOINCREMENT";
    static constexpr const char* bytes = "BLOB";
    static constexpr const char* integer = "INTEGER";
    /// Milliseconds since 1970.
    static constexpr const char* now = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
    static constexpr const char* skip_locked = "";
    static constexpr const char* begin = "BEGIN IMMEDIATE";
    static constexpr const char* wake = nullptr;

    /// Uses a connection of the user's, in whatever transaction it is.
    explicit session(sqlite3* users) noexcept : handle_(users) {}
    /// Opens a database that is there; others who write are waited for up to `patience`.
    session(const std::string& path, std::chrono::milliseconds patience) {
        sqlite3* opened = nullptr;
        const int code = sqlite3_open_v2(path.c_str(), &opened,
                                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
        owned_.reset(opened); // also when it failed
        handle_ = opened;
        check(code, path);
        sqlite3_busy_timeout(opened, static_cast<int>(patience.count()));
    }

    // Changes the database. NOLINTNEXTLINE(readability-make-member-function-const)
    void run(const char* statements) {
        check(sqlite3_exec(handle_, statements, nullptr, nullptr, nullptr), statements);
    }
    /// One statement, whose parameters are `$1`, `$2` and so on, and what it returns.
    // NOLINTNEXTLINE(readability-make-member-function-const)
    auto query(const std::string& text, sql::parameters values) -> sql::rows {
        sqlite3_stmt* made = nullptr;
        check(sqlite3_prepare_v2(handle_, text.c_str(), -1, &made, nullptr), text);
        const std::unique_ptr<sqlite3_stmt, deleter<&sqlite3_finalize>> statement(made);
        int position = 0;
        for (const sql::parameter& each : values) {
            std::string name("$");
            name += std::to_string(++position); // in two steps: GCC 12 warns of the sum at -O3
            if (const int index = sqlite3_bind_parameter_index(made, name.c_str()); index != 0) {
                check(bind(made, index, each), text);
            }
        }
        sql::rows all;
        for (int code = sqlite3_step(made); code != SQLITE_DONE; code = sqlite3_step(made)) {
            if (code != SQLITE_ROW) {
                check(code, text);
            }
            all.push_back(read(made));
        }
        return all;
    }

private:
    [[nodiscard]] static auto bind(sqlite3_stmt* to, int index, const sql::parameter& value)
        -> int {
        if (const auto* number = std::get_if<std::int64_t>(&value)) {
            return sqlite3_bind_int64(to, index, *number);
        }
        if (const auto* text = std::get_if<std::string_view>(&value)) {
            return sqlite3_bind_text64(to, index, text->data() != nullptr ? text->data() : "",
                                       text->size(), SQLITE_STATIC, SQLITE_UTF8);
        }
        if (const auto* some = std::get_if<sql::blob>(&value)) {
            return sqlite3_bind_blob64(to, index,
                                       some->bytes.data() != nullptr ? some->bytes.data() : "",
                                       some->bytes.size(), SQLITE_STATIC);
        }
        return sqlite3_bind_null(to, index);
    }
    [[nodiscard]] static auto read(sqlite3_stmt* from) -> sql::row {
        sql::row cells;
        for (int i = 0; i < sqlite3_column_count(from); ++i) {
            if (sqlite3_column_type(from, i) == SQLITE_NULL) {
                cells.emplace_back();
                continue;
            }
            const void* data = sqlite3_column_blob(from, i); // numbers become digits
            const auto size = static_cast<std::size_t>(sqlite3_column_bytes(from, i));
            cells.emplace_back(size == 0 ? std::string()
                                         : std::string(static_cast<const char*>(data), size));
        }
        return cells;
    }
    void check(int code, std::string_view doing) const {
        if (code != SQLITE_OK) {
            throw error(errc::unavailable,
                        "SQLite, " + std::string(doing.substr(0, 80)) + ": " +
                            (handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code)));
        }
    }

    std::unique_ptr<sqlite3, deleter<&sqlite3_close_v2>> owned_;
    sqlite3* handle_ = nullptr;
};

} // namespace cobus::detail::sqlite

template <> struct cobus::detail::sql::session_of<sqlite3> {
    using type = sqlite::session;
};
