#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace cobus::chaos {

/// One clock for all processes of a machine.
[[nodiscard]] inline auto now_us() -> std::int64_t {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

/// Appends lines to a file that several processes may share. Each is one write, so that lines do
/// not mix, and what was written survives SIGKILL. Any thread may write.
class journal {
public:
    explicit journal(const std::string& name)
        : file_(::open(name.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) {
        check(file_ >= 0, name);
    }
    journal(const journal&) = delete;
    auto operator=(const journal&) -> journal& = delete;
    ~journal() {
        ::fsync(file_);
        ::close(file_);
    }

    /// Words with a blank between them; the last may have blanks itself.
    template <class... Words> void write(const Words&... words) {
        std::string line;
        (append(line, words), ...);
        line.back() = '\n';
        check(::write(file_, line.data(), line.size()) == static_cast<ssize_t>(line.size()), "");
    }

private:
    static void append(std::string& line, std::string_view word) {
        line.append(word.empty() ? "-" : word).append(" ");
    }
    static void append(std::string& line, std::integral auto number) {
        line.append(std::to_string(number)).append(" ");
    }
    static void check(bool good, const std::string& what) {
        if (!good) {
            throw std::system_error(errno, std::generic_category(), "journal " + what);
        }
    }

    int file_;
};

} // namespace cobus::chaos
