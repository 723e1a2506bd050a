#pragma once

#include "../error.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace cobus::detail::sqlite {

template <auto F> struct deleter {
    template <class T> void operator()(T* handle) const noexcept { F(handle); }
};

/// One connection to a file that only its owner may read. Errors: throws `cobus::error` with what
/// SQLite says: `errc::queue_full` for a full disk, `errc::too_large`, `errc::bad_settings` for a
/// file that is damaged or none of SQLite's, and `errc::store_failed` otherwise.
class database {
public:
    /// Makes the file if need be, with mode 0600. Others of other processes are waited for up to
    /// `patience`.
    database(const std::string& path, std::chrono::milliseconds patience) : path_(path) {
        make_private(path);
        sqlite3* opened = nullptr;
        const int code = sqlite3_open_v2(path.c_str(), &opened,
                                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
        handle_.reset(opened); // also when it failed
        check(code);
        sqlite3_busy_timeout(opened, static_cast<int>(patience.count()));
    }

    [[nodiscard]] auto handle() const noexcept -> sqlite3* { return handle_.get(); }
    // Changes the database. NOLINTNEXTLINE(readability-make-member-function-const)
    void run(const char* sql) { check(sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr)); }
    [[nodiscard]] auto changes() const noexcept -> std::int64_t {
        return sqlite3_changes64(handle());
    }
    void check(int code) const {
        if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
            throw error(kind_of(code),
                        "SQLite, " + path_ + ": " +
                            (handle_ ? sqlite3_errmsg(handle()) : sqlite3_errstr(code)) +
                            cure_of(code));
        }
    }
    [[nodiscard]] auto in_transaction() const noexcept -> bool {
        return sqlite3_get_autocommit(handle()) == 0;
    }
    [[nodiscard]] auto path() const noexcept -> const std::string& { return path_; }

private:
    [[nodiscard]] static auto cure_of(int code) noexcept -> const char* {
        switch (code & 0xFF) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return ", so it is damaged or was never one; move it away with what lies beside it, or "
                   "name another file";
        case SQLITE_BUSY:
            return "; close the other program that has it open";
        default:
            return "";
        }
    }
    /// SQLite knows one of the ways in which there is no room, so the file itself, or its log, is
    /// asked for the last failure of the system's.
    [[nodiscard]] auto no_room(int which) const noexcept -> bool {
        sqlite3_file* file = nullptr;
        int cause = 0;
        if (!handle_ || sqlite3_file_control(handle(), "main", which, &file) != SQLITE_OK ||
            file == nullptr || file->pMethods == nullptr ||
            file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &cause) != SQLITE_OK) {
            return false;
        }
        return cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
    }
    [[nodiscard]] auto kind_of(int code) const noexcept -> errc {
        switch (code & 0xFF) { // without what is told in detail
        case SQLITE_FULL:
            return errc::queue_full;
        case SQLITE_IOERR:
            return no_room(SQLITE_FCNTL_FILE_POINTER) || no_room(SQLITE_FCNTL_JOURNAL_POINTER)
                       ? errc::queue_full
                       : errc::store_failed;
        case SQLITE_TOOBIG:
            return errc::too_large;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return errc::bad_settings;
        default:
            return errc::store_failed;
        }
    }
    static void make_private(const std::string& path) {
        const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0) {
            throw error(errc::store_failed, path + ": " + std::generic_category().message(errno));
        }
        ::close(file);
    }

    std::string path_;
    std::unique_ptr<sqlite3, deleter<&sqlite3_close_v2>> handle_;
};

/// A prepared statement, used again and again: `bind` in order, then `step` until it says false.
class statement {
public:
    statement(database& of, const char* sql) : of_(&of) {
        sqlite3_stmt* made = nullptr;
        of.check(
            sqlite3_prepare_v3(of.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr));
        handle_.reset(made);
    }

    auto bind(std::int64_t value) -> statement& {
        of_->check(sqlite3_bind_int64(handle_.get(), ++bound_, value));
        return *this;
    }
    /// The text must outlive the next `reset`.
    auto bind(std::string_view value) -> statement& {
        of_->check(sqlite3_bind_text64(handle_.get(), ++bound_,
                                       value.data() != nullptr ? value.data() : "", value.size(),
                                       SQLITE_STATIC, SQLITE_UTF8));
        return *this;
    }
    /// As it is; null data is an empty blob.
    auto bind_bytes(std::string_view value) -> statement& {
        of_->check(sqlite3_bind_blob64(handle_.get(), ++bound_,
                                       value.data() != nullptr ? value.data() : "", value.size(),
                                       SQLITE_STATIC));
        return *this;
    }
    auto bind_null() -> statement& {
        of_->check(sqlite3_bind_null(handle_.get(), ++bound_));
        return *this;
    }
    /// True: a row is there.
    auto step() -> bool {
        const int code = sqlite3_step(handle_.get());
        of_->check(code);
        return code == SQLITE_ROW;
    }
    [[nodiscard]] auto number(int column) const noexcept -> std::int64_t {
        return sqlite3_column_int64(handle_.get(), column);
    }
    [[nodiscard]] auto is_null(int column) const noexcept -> bool {
        return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
    }
    /// Of a text or a blob; until the next step.
    [[nodiscard]] auto bytes(int column) const noexcept -> std::string_view {
        const void* const data = sqlite3_column_blob(handle_.get(), column);
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column));
        return data != nullptr ? std::string_view(static_cast<const char*>(data), size)
                               : std::string_view();
    }
    void reset() noexcept {
        bound_ = 0;
        sqlite3_reset(handle_.get());
        sqlite3_clear_bindings(handle_.get());
    }

private:
    database* of_;
    std::unique_ptr<sqlite3_stmt, deleter<&sqlite3_finalize>> handle_;
    int bound_ = 0;
};

/// Resets a statement when it goes, whatever happens in between: no lock is left behind.
class use {
public:
    explicit use(statement& of) noexcept : of_(&of) {}
    use(const use&) = delete;
    auto operator=(const use&) -> use& = delete;
    ~use() { of_->reset(); }
    [[nodiscard]] auto operator->() const noexcept -> statement* { return of_; }
    [[nodiscard]] auto operator*() const noexcept -> statement& { return *of_; }

private:
    statement* of_;
};

/// All of what is done before `commit`, or nothing.
class transaction {
public:
    explicit transaction(database& in) : in_(&in) {
        roll_back(); // one that could not be rolled back when it failed
        in.run("BEGIN IMMEDIATE");
    }
    transaction(const transaction&) = delete;
    auto operator=(const transaction&) -> transaction& = delete;
    ~transaction() { roll_back(); }
    // Changes the database. NOLINTNEXTLINE(readability-make-member-function-const)
    void commit() { in_->run("COMMIT"); }

private:
    void roll_back() noexcept {
        if (in_->in_transaction()) {
            sqlite3_exec(in_->handle(), "ROLLBACK", nullptr, nullptr, nullptr);
        }
    }

    database* in_;
};

/// The first number that a question is answered with, or 0.
[[nodiscard]] inline auto number_of(database& in, const char* question) -> std::int64_t {
    statement asking(in, question);
    return asking.step() ? asking.number(0) : 0;
}

} // namespace cobus::detail::sqlite
