#pragma once

#include "../codec/base64.hpp"
#include "../message.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace cobus::detail {

[[nodiscard]] inline auto base64_of(std::string_view bytes) -> std::string {
    std::string text(base64_size(bytes.size()), '\0');
    put_base64(bytes.data(), bytes.size(), text.data());
    return text;
}

/// A dead letter as a line of JSON: topic, id, type, source, time in milliseconds, key, payload and
/// headers, each text in base64, because it may be anything.
[[nodiscard]] inline auto parked_line(message& letter) -> std::string {
    const auto quoted = [](std::string_view bytes) { return '"' + base64_of(bytes) + '"'; };
    (void)letter.ensure_bytes();
    const std::string id(letter.id().str());
    std::string line = R"({"topic":)" + quoted(letter.topic());
    line.append(R"(,"id":)").append(quoted(id)).append(R"(,"type":)").append(quoted(letter.type()));
    line.append(R"(,"source":)").append(quoted(letter.source()));
    line.append(R"(,"time":)").append(std::to_string(letter.time().time_since_epoch().count()));
    line.append(R"(,"key":)").append(letter.key() ? quoted(*letter.key()) : "null");
    line.append(R"(,"payload":)").append(letter.is_null() ? "null" : quoted(letter.payload()));
    line.append(R"(,"headers":[)");
    bool first = true;
    for (const auto& each : letter.headers()) {
        line.append(first ? "[" : ",[").append(quoted(each.name)).append(",");
        line.append(each.value ? quoted(*each.value) : "null").append("]");
        first = false;
    }
    return line.append("]}\n");
}

/// Whether a line was begun there and not ended, as when the disk was full.
[[nodiscard]] inline auto ends_amid_line(int file) noexcept -> bool {
    const off_t size = ::lseek(file, 0, SEEK_END);
    char last = '\n';
    return size > 0 && ::pread(file, &last, 1, size - 1) == 1 && last != '\n';
}

/// Appends a line to a file and sees it to the disk.
[[nodiscard]] inline auto append_durably(const std::string& path, std::string line)
    -> std::error_code {
    const auto failed = [] { return std::error_code(errno, std::generic_category()); };
    constexpr mode_t owner_only = 0600;
    const int file = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, owner_only);
    if (file < 0) {
        return failed();
    }
    if (ends_amid_line(file)) {
        line.insert(0, 1, '\n');
    }
    std::string_view rest = line;
    std::error_code ec;
    while (!rest.empty() && !ec) {
        const ssize_t count = ::write(file, rest.data(), rest.size());
        if (count >= 0) {
            rest.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno != EINTR) {
            ec = failed();
        }
    }
    if (!ec && ::fsync(file) != 0) {
        ec = failed();
    }
    ::close(file);
    return ec;
}

} // namespace cobus::detail
