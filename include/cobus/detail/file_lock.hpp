#pragma once

#include "../error.hpp"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace cobus::detail {

/// Makes a new file's name as safe as what is in it will be.
inline void sync_folder_of(const std::string& path) noexcept {
    const auto slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened >= 0) {
        (void)::fsync(opened); // some file systems refuse: those keep names their own way
        ::close(opened);
    }
}

/// Has a file to itself while it lives, by a lock on an empty file beside it, which stays there.
///
/// The file itself cannot carry the lock: closing any descriptor of it would drop the locks that
/// SQLite holds on it in this process. The system frees the lock when the process dies, however it
/// does.
class file_lock {
public:
    /// Errors: throws `errc::store_failed` that says who has it.
    explicit file_lock(const std::string& of) {
        const std::string name = of + "-lock";
        file_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file_ < 0) {
            throw error(errc::store_failed, name + ": " + std::generic_category().message(errno));
        }
        while (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
            const int cause = errno;
            if (cause == EINTR) {
                continue;
            }
            const std::string who = cause == EWOULDBLOCK ? holder() : std::string();
            ::close(file_);
            throw error(errc::store_failed,
                        of + ": " +
                            (who.empty() ? std::generic_category().message(cause)
                                         : who + " has it; name another file, one for each bus, "
                                                 "or stop that one first"));
        }
        sign();
    }
    file_lock(const file_lock&) = delete;
    auto operator=(const file_lock&) -> file_lock& = delete;
    ~file_lock() { ::close(file_); }

private:
    /// Only for the message that others get, so it does not matter when the disk is full.
    void sign() const noexcept {
        char text[24]; // NOLINT: written before it is read
        const auto* const end = std::to_chars(text, text + sizeof text, ::getpid()).ptr;
        const auto size = static_cast<std::size_t>(end - text);
        if (::ftruncate(file_, 0) != 0 || ::pwrite(file_, text, size, 0) < 0) {
            return;
        }
    }
    [[nodiscard]] auto holder() const -> std::string {
        char text[24]; // NOLINT: read as far as it was written
        const auto size = ::pread(file_, text, sizeof text, 0);
        const std::string number(text, size > 0 ? static_cast<std::size_t>(size) : 0);
        if (number == std::to_string(::getpid())) {
            return "another bus of this process";
        }
        return number.empty() ? "another process" : "process " + number;
    }

    int file_ = -1;
};

} // namespace cobus::detail
