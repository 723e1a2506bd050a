#pragma once

#include "../contract.hpp"
#include "../log.hpp"
#include "../message.hpp"
#include "../net.hpp"
#include "../state.hpp"
#include "../time_source.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

namespace cobus::degrade {
class spool_file;
} // namespace cobus::degrade

namespace cobus {

/// Where a consumer group without a committed offset begins.
enum class start_at : unsigned char { earliest, latest };

/// When what a spool's file was told is safe. docs/spool.md has what each costs.
enum class spool_synchronous : unsigned char {
    off,     ///< survives a crash of the process; a loss of power may damage the file
    normal,  ///< survives a crash of the process; a loss of power may take the last of it back
    full,    ///< survives a loss of power, for a sync of the disk at each batch
    at_stop, ///< is written when the bus stops: survives that, and no crash
};

/// What becomes of one event more than the spool holds.
enum class spool_full : unsigned char {
    refuse,      ///< its publisher gets `errc::queue_full`
    drop_oldest, ///< the oldest event is given up instead, and counted
};

/// Which events handlers of this process get while Kafka is away.
enum class deliver_order : unsigned char {
    in_order, ///< those of which no older one of the same key is still to come back from Kafka
    eager,    ///< all: K#10 may be handled before K#9
};

/// Where a spool's file is, and how messages go out of it.
struct spool_place {
    std::string path; ///< empty: in memory
    spool_synchronous synchronous = spool_synchronous::normal;
    wire how = wire::binary(); ///< for contracts that name none
};

/// Makes a spool's file at a place, as `cobus::sqlite_spool()` does.
using spool_maker = std::function<std::unique_ptr<degrade::spool_file>(const spool_place&)>;

/// What is kept for Kafka while it is away, and where.
struct spool_options {
    std::function<std::unique_ptr<degrade::spool_file>()> file; ///< empty: in memory
    bool at_stop = false; ///< the file gets what is kept when the bus stops, and not before
    std::size_t messages = 1'000'000; ///< kept and held by Kafka's client, together
    std::size_t bytes = 256U << 20U;
    spool_full when_full = spool_full::refuse;
    std::chrono::milliseconds max_age{0}; ///< older events are given up; zero: none is
    deliver_order in_process = deliver_order::in_order; ///< of what is handled here meanwhile
    bool honour_marks = true;         ///< handlers skip what they did while Kafka was away
    std::chrono::hours mark_life{24}; ///< of the marks that a replay sends
};

/// What a bus tells the transport that it makes. Times are durations, sizes are bytes.
struct transport_options {
    net::any_io_executor executor;
    logger log;
    std::function<void(const health&)> on_state; ///< told of each change, on the executor
    /// Told of each kept event that Kafka refuses for good, on the executor.
    std::function<void(const message&, std::error_code)> on_refused;
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
    policy when_away = policy::deliver_and_spool;      ///< for contracts that name none
    bool create_topics = true;
    std::chrono::milliseconds drain_limit{10000}; ///< that running handlers get to end in
    spool_options spool;
    /// For the transport behind a spool, set by what has one: events of spooling policies may stay
    /// with the client for ever, because their publishers are answered meanwhile.
    bool spool_behind = false;

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
