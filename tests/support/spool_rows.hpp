#pragma once

#include <cobus/degrade/spool_file.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

/// Rows of spools for tests, and processes that die with one.
namespace cobus::test::spool_rows {

inline auto make(std::uint64_t sequence, std::string_view key, std::string payload)
    -> degrade::spool_row {
    degrade::spool_row row;
    row.sequence = sequence;
    row.since = time_point(std::chrono::hours(450'000) + std::chrono::milliseconds(sequence));
    row.content.topic("spool.topic");
    row.content.type("spool.type");
    row.content.source("/tests");
    row.content.time(row.since - std::chrono::minutes(1));
    row.content.id(message_id::from_text("id-" + std::to_string(sequence)));
    row.content.key(key);
    row.content.payload(std::move(payload));
    return row;
}

/// All of a row but its state and who settled it, so that rows can be compared.
inline auto told(const degrade::spool_row& row) -> std::string {
    std::string text;
    const auto say = [&text](std::string_view what) {
        text.append(std::to_string(what.size())).append(":").append(what).append("|");
    };
    const auto number = [&text](auto what) {
        text.append(std::to_string(static_cast<long long>(what))).append("|");
    };
    const message& content = row.content;
    number(row.sequence);
    number(row.when_away);
    number(row.partition);
    number(row.since.time_since_epoch().count());
    number(content.form() ? static_cast<int>(*content.form()) : -1);
    for (const std::string_view each : {content.topic(), content.type(), content.source()}) {
        say(each);
    }
    say(content.id().str());
    number(content.id().is_uuid());
    number(content.time().time_since_epoch().count());
    say(content.key() ? *content.key() : "(no key)");
    number(content.key().has_value());
    for (const header& each : content.headers()) {
        say(each.name);
        say(each.value ? *each.value : "(no value)");
        number(each.value.has_value());
    }
    say(content.payload());
    number(content.is_null());
    return text;
}

inline auto sequences(const std::vector<degrade::spool_row>& of) -> std::vector<std::uint64_t> {
    std::vector<std::uint64_t> all;
    for (const degrade::spool_row& each : of) {
        all.push_back(each.sequence);
    }
    return all;
}

/// In one batch.
inline void put_all(degrade::spool_file& file, const std::vector<degrade::spool_row>& rows) {
    std::vector<degrade::row_change> changes;
    for (const degrade::spool_row& each : rows) {
        changes.emplace_back(degrade::row_put{&each});
    }
    file.apply(changes);
}

inline void answer(int to, std::uint64_t value) {
    if (::write(to, &value, sizeof value) != static_cast<ssize_t>(sizeof value)) {
        ::_exit(3);
    }
}

/// A process that runs `body(descriptor)` and tells numbers by it, until it ends or is killed.
class crashing_child {
public:
    template <class Body> explicit crashing_child(Body body) {
        std::array<int, 2> ends{};
        check(::pipe(ends.data()));
        check(pid_ = ::fork());
        if (pid_ == 0) {
            ::close(ends[0]);
            ::_exit(run(body, ends[1]));
        }
        ::close(ends[1]);
        answers_ = ends[0];
    }
    crashing_child(const crashing_child&) = delete;
    auto operator=(const crashing_child&) -> crashing_child& = delete;
    ~crashing_child() {
        kill();
        ::close(answers_);
    }

    /// Waits for it; nothing when the process has ended.
    [[nodiscard]] auto next_answer() const -> std::optional<std::uint64_t> {
        std::uint64_t value = 0;
        for (;;) {
            const ssize_t size = ::read(answers_, &value, sizeof value);
            if (size < 0 && errno == EINTR) {
                continue;
            }
            return size == static_cast<ssize_t>(sizeof value) ? std::optional(value) : std::nullopt;
        }
    }
    void kill() {
        if (!reaped_) {
            ::kill(pid_, SIGKILL);
            (void)wait();
        }
    }
    /// What it ended with; as of waitpid.
    auto wait() -> int {
        if (!reaped_) {
            check(::waitpid(pid_, &status_, 0));
            reaped_ = true;
        }
        return status_;
    }
    [[nodiscard]] auto id() const -> pid_t { return pid_; }

private:
    template <class Body> static auto run(Body& body, int answers) noexcept -> int {
        try {
            body(answers);
            return 0;
        } catch (const std::exception& wrong) {
            (void)!::write(STDERR_FILENO, wrong.what(), std::string_view(wrong.what()).size());
            return 2;
        }
    }
    static void check(int result) {
        if (result < 0) {
            throw std::system_error(errno, std::generic_category(), "crashing_child");
        }
    }

    pid_t pid_ = -1;
    int answers_ = -1;
    int status_ = 0;
    bool reaped_ = false;
};

} // namespace cobus::test::spool_rows
