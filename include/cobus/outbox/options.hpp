#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace cobus {

/// How an outbox's relay works.
class outbox_options {
public:
    outbox_options() {} // not an aggregate, for GCC 12

    /// How often the table is looked at when nobody says that something was committed; at least,
    /// and unless set, 1 s.
    auto poll(std::chrono::milliseconds each) && -> outbox_options&& {
        poll_ = (std::max)(each, std::chrono::milliseconds(std::chrono::seconds(1)));
        return std::move(*this);
    }
    /// Rows published at the same time, and deleted in one transaction. Unless set, 256.
    auto batch(std::size_t rows) && -> outbox_options&& {
        batch_ = (std::max)(rows, std::size_t{1});
        return std::move(*this);
    }
    /// How long a relay has its shards without a word of it, so how long its rows wait when its
    /// process has died. Longer than Kafka may take for a batch (`settings::delivery_timeout`), or
    /// two relays publish it. At least 3 s; unless set, 30 s.
    auto lease(std::chrono::milliseconds length) && -> outbox_options&& {
        lease_ = (std::max)(length, std::chrono::milliseconds(std::chrono::seconds(3)));
        return std::move(*this);
    }
    /// The most shards, of 16, that this relay has. Unless set, all: then further relays wait to
    /// take over.
    auto shards(std::size_t most) && -> outbox_options&& {
        shards_ = (std::max)(most, std::size_t{1});
        return std::move(*this);
    }

    [[nodiscard]] auto poll() const noexcept -> std::chrono::milliseconds { return poll_; }
    [[nodiscard]] auto batch() const noexcept -> std::size_t { return batch_; }
    [[nodiscard]] auto lease() const noexcept -> std::chrono::milliseconds { return lease_; }
    [[nodiscard]] auto shards() const noexcept -> std::size_t { return shards_; }

private:
    std::chrono::milliseconds poll_ = std::chrono::seconds(1);
    std::size_t batch_ = 256;
    std::chrono::milliseconds lease_ = std::chrono::seconds(30);
    std::size_t shards_ = 16;
};

/// What an outbox's relay has done in this process.
struct outbox_status {
    std::uint64_t published = 0; ///< rows
    std::uint64_t refused = 0;   ///< put apart
    std::size_t shards = 0;      ///< held now
    std::string problem;         ///< what is wrong now; empty when all is well
};

} // namespace cobus
