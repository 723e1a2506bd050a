#pragma once

#include "../error.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <chrono>
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

/// One connection to a file that only its owner may read. Errors: throws `cobus::error` with
/// `errc::unavailable` and what SQLite says.
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
            throw error(errc::unavailable,
                        "SQLite, " + path_ + ": " +
                            (handle_ ? sqlite3_errmsg(handle()) : sqlite3_errstr(code)));
        }
    }

private:
    static void make_private(const std::string& path) {
        const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0) {
            throw error(errc::unavailable, path + ": " + std::generic_category().message(errno));
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
    /// True: a row is there.
    auto step() -> bool {
        const int code = sqlite3_step(handle_.get());
        of_->check(code);
        return code == SQLITE_ROW;
    }
    [[nodiscard]] auto number(int column) const noexcept -> std::int64_t {
        return sqlite3_column_int64(handle_.get(), column);
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

} // namespace cobus::detail::sqlite
