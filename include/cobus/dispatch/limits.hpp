#pragma once

#include "run_observer.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace cobus::detail {

/// How much a dispatcher has under way, and who watches.
struct dispatch_limits {
    std::size_t handlers = 256;   ///< running at once, over all registrations
    std::size_t partition = 1024; ///< unfinished messages of one partition, then it is held
    std::size_t total = 8192;     ///< unfinished messages, then nothing is fetched
    /// What running handlers of a revoked partition get.
    std::chrono::milliseconds drain = std::chrono::seconds(10);
    run_observer* observer = nullptr; ///< told of each run, if there is one
    bool honour_marks = true;         ///< handlers skip what they did while Kafka was away
    std::size_t retries = 4096;       ///< the same of one of its retry partitions
    std::vector<std::chrono::milliseconds> retry_delays; ///< of the tiers of retry topics
    std::string park; ///< where dead letters go that are refused for good
};

} // namespace cobus::detail
