#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace cobus {

/// Where a bus stands: the worst of its routes.
enum class state : unsigned char {
    memory,     ///< Kafka is not enabled: events are delivered in process
    connecting, ///< Kafka was not heard of yet, and the decision time has not passed
    connected,  ///< Kafka answers
    degraded,   ///< Kafka is away: each event's policy decides what becomes of it
    recovering, ///< Kafka answers again, and gets first what was kept for it
    failed,     ///< Kafka is required and away at the start, or refused for good
};

[[nodiscard]] constexpr auto to_string(state value) noexcept -> std::string_view {
    switch (value) {
    case state::memory:
        return "memory";
    case state::connecting:
        return "connecting";
    case state::connected:
        return "connected";
    case state::degraded:
        return "degraded";
    case state::recovering:
        return "recovering";
    case state::failed:
        return "failed";
    }
    return "?";
}

/// What became of what handlers gave up on, since the start.
struct dead_letter_health {
    std::uint64_t written = 0; ///< acknowledged by their topics
    std::uint64_t parked = 0;  ///< in the file of `settings::park_dead_letters`
    /// Refused by their topics, and tried again. Behind each of them nothing is committed, so that
    /// its partition stops when its limit of unfinished messages is reached.
    std::size_t waiting = 0;
    std::size_t stopped = 0; ///< partitions that stand at a message of a type that nobody takes
    std::chrono::steady_clock::time_point since{}; ///< that the oldest of these is there
    std::error_code cause{};                       ///< of the last refusal
    std::string why{};                             ///< the same in words

    /// Nothing waits, nothing stands still.
    [[nodiscard]] auto well() const noexcept -> bool { return waiting == 0 && stopped == 0; }
};

/// What cannot wait in the topics of `settings::retry_topics` as it should.
struct retry_health {
    /// Events that their topic refuses, or has no room for beside 16,384 others of their partition,
    /// and that are tried again. Each holds up its key, and behind it nothing is committed.
    std::size_t waiting = 0;
    /// Partitions of which nothing is handled yet, because their retry topic refuses the marker up
    /// to which it is read first.
    std::size_t stopped = 0;
    std::chrono::steady_clock::time_point since{}; ///< that the oldest of these is there
    std::error_code cause{};                       ///< of the last of them
    std::string why{};                             ///< the same in words

    /// Nothing waits, nothing stands still.
    [[nodiscard]] auto well() const noexcept -> bool { return waiting == 0 && stopped == 0; }
};

/// What is kept for Kafka.
struct spooled {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;                                     ///< of payloads and keys
    std::optional<std::chrono::system_clock::time_point> oldest; ///< since when it is kept
    std::uint64_t refused = 0; ///< that Kafka will never take, since the start
    std::uint64_t dropped = 0; ///< given up, because there was no room or it took too long
    bool durable = false;      ///< all of it survives this process
    std::string why{};         ///< the file takes nothing at the moment; empty when all is well

    friend auto operator==(const spooled&, const spooled&) -> bool = default;
};

/// What a bus left behind that stopped.
struct stop_result {
    std::uint64_t left = 0; ///< events that were kept for Kafka and did not get there
    bool durable = true;    ///< nothing is lost: they are in the spool's file, or there are none
};

/// A route, which is a partition of a topic, to which nothing goes for now.
struct closed_route {
    std::string topic;
    std::int32_t partition = -1; ///< −1: the whole topic
    std::chrono::steady_clock::time_point since;
    std::error_code cause;
    std::string why; ///< the cause in words, without secrets
};

/// A state with its beginning and its reason.
struct health {
    state what = state::connecting;
    std::chrono::steady_clock::time_point since;
    std::error_code cause;
    std::string why; ///< the cause in words, without secrets; empty when all is well
    dead_letter_health dead_letters{};
    retry_health retries{};
    spooled kept{};
    /// While Kafka as a whole answers: the routes on which it does not.
    std::vector<closed_route> routes{};
    /// Messages of types that no handler here takes, which are done without being decoded, since
    /// the start. Not those that `handler_options::unknown` gives to a handler.
    std::uint64_t unknown_types = 0;
    /// Positions that Kafka did not have any more, as after its retention time, since the start:
    /// reading went on where `settings::start_from` says. Each is a line in the log.
    std::uint64_t resets = 0;
};

} // namespace cobus
