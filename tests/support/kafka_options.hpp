#pragma once

#include <cobus/message_id.hpp>
#include <cobus/transport/options.hpp>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace cobus::test {

/// The largest payload that librdkafka takes in C03 of the conformance suite: message.max.bytes
/// less what it counts for a message in any case (36), for the key (3) and for the envelope's
/// headers.
inline constexpr std::size_t largest_payload = 1'000'000 - 36 - 3 - 81;

/// A name that nobody else has.
[[nodiscard]] inline auto unique(const std::string& name) -> std::string {
    return name + "-" + message_id::make(detail::coarse_now()).str();
}

/// Settings that make librdkafka's mock cluster and a local Kafka answer soon.
[[nodiscard]] inline auto quick_kafka(const std::string& brokers) -> transport_options {
    transport_options options;
    for (std::size_t begin = 0; begin <= brokers.size();) {
        const std::size_t end = (std::min)(brokers.find(',', begin), brokers.size());
        options.brokers.push_back(brokers.substr(begin, end - begin));
        begin = end + 1;
    }
    options.properties = {{"fetch.wait.max.ms", "10"},
                          {"session.timeout.ms", "6000"},
                          {"heartbeat.interval.ms", "500"}};
    return options;
}

/// Collects log lines, from any thread.
class log_lines {
public:
    [[nodiscard]] auto logger() -> cobus::logger {
        return [this](log_level level, std::string_view text) {
            const std::lock_guard lock(guard_);
            if (level != log_level::debug) {
                lines_.emplace_back(text);
            }
        };
    }
    [[nodiscard]] auto count(std::string_view part) const -> std::size_t {
        const std::lock_guard lock(guard_);
        return static_cast<std::size_t>(std::ranges::count_if(
            lines_, [part](const std::string& each) { return each.find(part) != each.npos; }));
    }

private:
    mutable std::mutex guard_;
    std::vector<std::string> lines_;
};

} // namespace cobus::test
