#pragma once

#include "../error.hpp"
#include "row.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cobus::detail {

/// What a relay does with the rows it reads: which are published now, and what follows from how
/// that ended. A key whose row failed waits, and all its rows with it, so that none overtakes;
/// others go on. Pure.
class outbox_plan {
public:
    using clock = std::chrono::steady_clock;
    enum class verdict : unsigned char {
        remove, ///< it is published
        refuse, ///< Kafka will never take it
        keep,   ///< for a later try
    };

    outbox_plan(std::chrono::milliseconds first_wait, std::chrono::milliseconds longest_wait)
        : first_(first_wait), longest_(longest_wait) {}

    /// Those that may be published now, in their order.
    [[nodiscard]] auto choose(std::vector<outbox_row> rows, clock::time_point now)
        -> std::vector<outbox_row> {
        std::erase_if(waiting_, [this, now](const auto& each) { // its rows went to another relay
            return each.second.until + longest_ < now;
        });
        std::erase_if(rows, [this, now](const outbox_row& each) {
            const auto waiting = waiting_.find(lane_of(each));
            return waiting != waiting_.end() && waiting->second.until > now;
        });
        return rows;
    }
    /// `standing`: the bus as a whole is let in by Kafka, so that a refusal is of this row.
    [[nodiscard]] auto ended(const outbox_row& row, std::error_code ec, bool standing,
                             clock::time_point now) -> verdict {
        if (!ec) {
            waiting_.erase(lane_of(row));
            return verdict::remove;
        }
        if (standing && refuses(ec)) {
            waiting_.erase(lane_of(row)); // the key goes on
            return verdict::refuse;
        }
        if (ec != errc::behind_failed) {
            wait& place = waiting_[lane_of(row)];
            place.length = (std::min)((std::max)(place.length * 2, first_), longest_);
            place.until = now + place.length;
        }
        return verdict::keep;
    }
    /// When a key that waits is due; never without any.
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        auto soonest = (clock::time_point::max)();
        for (const auto& [lane, each] : waiting_) {
            soonest = (std::min)(soonest, each.until);
        }
        return soonest;
    }
    /// Keys whose rows are passed by, so that more must be read to find others.
    [[nodiscard]] auto waiting() const noexcept -> std::size_t { return waiting_.size(); }

private:
    struct wait {
        clock::time_point until;
        std::chrono::milliseconds length{0};
    };

    /// A row without a key is a lane of its own.
    [[nodiscard]] static auto lane_of(const outbox_row& row) -> std::string {
        return row.key ? "k" + row.topic + '\0' + *row.key : "s" + std::to_string(row.sequence);
    }
    /// What no later try mends.
    [[nodiscard]] static auto refuses(std::error_code ec) noexcept -> bool {
        return ec == condition::permanent && ec != errc::closed && ec != errc::no_transport &&
               ec != errc::bad_settings && ec != errc::already_started;
    }

    std::chrono::milliseconds first_;
    std::chrono::milliseconds longest_;
    std::unordered_map<std::string, wait> waiting_;
};

} // namespace cobus::detail
