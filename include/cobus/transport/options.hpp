#pragma once

#include "../contract.hpp"
#include "../log.hpp"
#include "../net.hpp"
#include "../time_source.hpp"

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cobus {

/// Where a consumer group without a committed offset begins.
enum class start_at : unsigned char { earliest, latest };

/// What a bus tells the transport that it makes. Times are durations, sizes are bytes.
struct transport_options {
    net::any_io_executor executor;
    logger log;
    std::shared_ptr<time_source> time; ///< null: the real clocks

    std::vector<std::string> brokers; ///< "host:port"
    std::string client_id = "cobus";
    std::string group_id = "cobus";
    start_at from = start_at::earliest;
    wire how = wire::binary();                     ///< for contracts that name none
    std::map<std::string, std::string> properties; ///< librdkafka's, by their names

    std::chrono::milliseconds decision_time{3000}; ///< until an unanswering cluster counts as away
    std::chrono::milliseconds stop_timeout{10000}; ///< of `stop` without a limit of its own
    std::chrono::milliseconds delivery_timeout{10000}; ///< of a message that the client holds
    std::chrono::milliseconds wait_limit{300000};      ///< of policy `wait`
    policy when_away = policy::deliver;                ///< for contracts that name none
    bool create_topics = true;

    std::size_t queue_messages = 100000; ///< publishes that may be under way
    std::size_t queue_bytes = 256U << 20U;
    std::size_t partitions = 4;             ///< of a topic that the transport makes
    std::size_t retention_messages = 65536; ///< kept for each partition in memory
    bool serialise = false;                 ///< in memory: always encode and decode, for tests

    [[nodiscard]] auto now() const noexcept -> std::chrono::steady_clock::time_point {
        return time == nullptr ? std::chrono::steady_clock::now() : time->now();
    }
    /// The time of day, to a few milliseconds.
    [[nodiscard]] auto wall() const noexcept -> time_point {
        return time == nullptr ? detail::coarse_now() : time->wall();
    }
};

} // namespace cobus
