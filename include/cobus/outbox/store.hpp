#pragma once

#include "row.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace cobus {

/// Where a relay finds the rows of an outbox. Its calls block, and are made one at a time.
/// Errors: throws `cobus::error`; the relay calls `reset`, waits and tries again.
///
/// To write one for another database: a row belongs to the relay that holds the lease of its shard.
/// A lease has a fencing number that grows with each new holder; `remove` and `refuse` pass by rows
/// of shards whose lease is not this one's any more.
class outbox_store {
public:
    outbox_store() = default;
    outbox_store(const outbox_store&) = delete;
    auto operator=(const outbox_store&) -> outbox_store& = delete;
    virtual ~outbox_store() = default;

    /// Takes leases that nobody holds, up to `most` in all, and renews its own. Returns how many it
    /// holds.
    virtual auto lease(std::chrono::milliseconds length, std::size_t most) -> std::size_t = 0;
    /// The first rows of the shards that it holds, in the order of their sequence.
    [[nodiscard]] virtual auto read(std::size_t most) -> std::vector<outbox_row> = 0;
    /// They are published.
    virtual void remove(std::span<const outbox_row> rows) = 0;
    /// It will never be published: put apart, with the cause in words.
    virtual void refuse(const outbox_row& row, std::string_view cause) = 0;
    /// Gives its leases back.
    virtual void release() = 0;
    /// After an error: the next call begins anew, on another connection.
    virtual void reset() noexcept = 0;

    /// Readable when somebody committed rows; −1 where that cannot be waited for.
    [[nodiscard]] virtual auto descriptor() const noexcept -> int { return -1; }
    /// Takes what made it readable. True: there was something, be it that it came beside an answer
    /// and the descriptor never said so.
    virtual auto take_notifications() -> bool { return false; }
};

} // namespace cobus
