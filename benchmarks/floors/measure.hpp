#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <utility>
#include <vector>

/// What the Kafka programs share: arguments, clocks, and the line that the runner reads.
namespace measure {

/// Arguments of the form name=value.
class arguments {
public:
    arguments(int count, char** values) {
        for (int i = 1; i < count; ++i) {
            const std::string one = values[i];
            const auto equals = one.find('=');
            if (equals == std::string::npos) {
                std::fprintf(stderr, "not name=value: %s\n", one.c_str());
                std::exit(2);
            }
            given_[one.substr(0, equals)] = one.substr(equals + 1);
        }
    }

    [[nodiscard]] auto text(const std::string& name, const std::string& otherwise) const
        -> std::string {
        const auto found = given_.find(name);
        return found == given_.end() ? otherwise : found->second;
    }
    [[nodiscard]] auto number(const std::string& name, std::size_t otherwise) const -> std::size_t {
        const auto found = given_.find(name);
        return found == given_.end() ? otherwise : std::stoul(found->second);
    }

private:
    std::map<std::string, std::string> given_;
};

[[nodiscard]] inline auto now_ns() noexcept -> std::int64_t {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

/// Seconds of CPU that this process, with all its threads, has used.
[[nodiscard]] inline auto cpu_seconds() noexcept -> double {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// Wall and CPU time since its making.
class stopwatch {
public:
    [[nodiscard]] auto wall() const noexcept -> double {
        return static_cast<double>(now_ns() - wall_) / 1e9;
    }
    [[nodiscard]] auto cpu() const noexcept -> double { return cpu_seconds() - cpu_; }

private:
    std::int64_t wall_ = now_ns();
    double cpu_ = cpu_seconds();
};

/// Numbers under names, as one line of JSON.
class report {
public:
    auto add(std::string_view name, double value) -> report& {
        char number[64];
        std::snprintf(number, sizeof(number), "%.9g", value);
        line_ += line_.empty() ? "{\"" : ", \"";
        line_.append(name).append("\": ").append(number);
        return *this;
    }
    /// Rate, and CPU seconds for a million messages.
    auto add_rate(std::size_t messages, double wall, double cpu) -> report& {
        const auto count = static_cast<double>(messages);
        return add("rate", count / wall).add("cpu_per_million", cpu * 1e6 / count);
    }
    /// Microseconds at the median and the 99th percentile.
    auto add_latency(std::vector<std::int64_t> ns) -> report& {
        std::sort(ns.begin(), ns.end());
        const auto at = [&](std::size_t percent) {
            return static_cast<double>(ns[(ns.size() - 1) * percent / 100]) / 1e3;
        };
        return add("p50_us", at(50)).add("p99_us", at(99));
    }
    void print() const { std::printf("%s}\n", line_.c_str()); }

private:
    std::string line_;
};

} // namespace measure
