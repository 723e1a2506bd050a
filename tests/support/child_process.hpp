#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace cobus::test {

/// A program in a process group of its own, whose standard output is read line by line.
/// The whole group dies with this object. The program also dies with the thread that started it,
/// so that a crashed test leaves nothing behind: start it from a thread that lives as long as it.
class child_process {
public:
    using milliseconds = std::chrono::milliseconds;

    explicit child_process(const std::vector<std::string>& arguments) {
        std::vector<char*> argv;
        for (const std::string& argument : arguments)
            argv.push_back(const_cast<char*>(argument.c_str()));
        argv.push_back(nullptr);
        int ends[2];
        check(::pipe2(ends, O_CLOEXEC));
        const pid_t parent = ::getpid();
        check(pid_ = ::fork());
        if (pid_ == 0)
            become(argv.data(), ends[1], parent);
        ::close(ends[1]);
        output_ = ends[0];
        ::setpgid(pid_, pid_); // both sides do it: whichever comes first
        // glibc 2.36's own function has no C linkage
        check(exited_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    }

    child_process(const child_process&) = delete;
    auto operator=(const child_process&) -> child_process& = delete;

    ~child_process() {
        signal(SIGKILL);
        wait(std::chrono::hours{1});
        ::close(output_);
        ::close(exited_);
    }

    /// The next line without its end, or nothing when the output ended or the time is over.
    [[nodiscard]] auto read_line(milliseconds limit) -> std::optional<std::string> {
        const auto deadline = std::chrono::steady_clock::now() + limit;
        for (;;) {
            if (const auto end = unread_.find('\n'); end != std::string::npos) {
                std::string line = unread_.substr(0, end);
                unread_.erase(0, end + 1);
                return line;
            }
            char bytes[4096];
            if (!readable(output_, deadline))
                return std::nullopt;
            const ssize_t count = ::read(output_, bytes, sizeof bytes);
            if (count <= 0)
                return std::nullopt;
            unread_.append(bytes, static_cast<std::size_t>(count));
        }
    }

    /// To the whole group; nothing once the program has been waited for.
    void signal(int number) {
        if (!reaped_)
            ::killpg(pid_, number);
    }

    /// Returns when all threads of the program stand still.
    void freeze() {
        signal(SIGSTOP);
        siginfo_t stopped{};
        if (!reaped_)
            check(::waitid(P_PID, static_cast<id_t>(pid_), &stopped, WSTOPPED | WEXITED | WNOWAIT));
    }

    /// True when the program has ended within the time.
    auto wait(milliseconds limit) -> bool {
        if (reaped_)
            return true;
        if (!readable(exited_, std::chrono::steady_clock::now() + limit))
            return false;
        ::killpg(pid_, SIGKILL); // what the program left of its group
        check(::waitpid(pid_, &status_, 0));
        reaped_ = true;
        return true;
    }

    [[nodiscard]] auto id() const -> pid_t { return pid_; }
    /// As of waitpid, once wait returned true.
    [[nodiscard]] auto status() const -> int { return status_; }

private:
    /// Only what is safe between fork and exec while other threads hold locks.
    [[noreturn]] static void become(char** argv, int output, pid_t parent) {
        ::setpgid(0, 0);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent || ::dup2(output, STDOUT_FILENO) < 0)
            ::_exit(127);
        ::close_range(STDERR_FILENO + 1, ~0U, 0); // sockets of the test must not live on in here
        ::execvp(argv[0], argv);
        ::_exit(127);
    }

    static auto readable(int descriptor, std::chrono::steady_clock::time_point deadline) -> bool {
        pollfd wanted{descriptor, POLLIN, 0};
        for (;;) {
            const auto left =
                std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
            if (left.count() < 0)
                return false;
            const int ready = ::poll(&wanted, 1, static_cast<int>(left.count()));
            if (ready > 0)
                return true;
            if (ready < 0 && errno != EINTR)
                throw std::system_error(errno, std::generic_category(), "poll");
        }
    }

    static void check(int result) {
        if (result < 0)
            throw std::system_error(errno, std::generic_category(), "child_process");
    }

    pid_t pid_ = -1;
    int output_ = -1;
    int exited_ = -1;
    int status_ = 0;
    bool reaped_ = false;
    std::string unread_;
};

} // namespace cobus::test
