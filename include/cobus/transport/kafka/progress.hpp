#pragma once

#include <algorithm>
#include <cstdint>

namespace cobus::detail::kafka {

/// How far a group is in one partition, and what it may commit beyond what was handled: offsets
/// that belong to no message, such as the ends of transactions and what was aborted, would count as
/// lag for ever. Pure; not thread-safe.
class progress {
public:
    /// The first offset to read, which the group has committed; below zero if that is not known.
    void begin_at(std::int64_t offset) noexcept {
        committed_ = offset;
        all_handled_ = offset >= 0;
    }
    /// The message of that offset was read.
    void read(std::int64_t offset) noexcept {
        next_ = offset + 1;
        all_handled_ = false;
    }
    /// All messages below were read: the partition ends there, or what is behind may not be read
    /// yet.
    void ends_at(std::int64_t offset) noexcept { end_ = offset; }

    /// Whether with this all messages are handled that were read.
    [[nodiscard]] auto is_all(std::int64_t offset) const noexcept -> bool {
        return offset == next_;
    }
    /// Everything below `offset` was handled, and the client is at `position`. Says what to commit.
    [[nodiscard]] auto commit(std::int64_t offset, std::int64_t position) noexcept -> std::int64_t {
        all_handled_ = is_all(offset);
        committed_ = all_handled_ ? (std::max)(offset, position) : offset;
        return committed_;
    }

    /// What to commit unasked, because only what is no message lies below; −1 if nothing.
    [[nodiscard]] auto beyond() const noexcept -> std::int64_t {
        return all_handled_ && end_ > committed_ ? end_ : -1;
    }
    /// That was committed.
    void went_beyond(std::int64_t offset) noexcept {
        committed_ = all_handled_ ? (std::max)(committed_, offset) : committed_;
    }

private:
    std::int64_t next_ = -1; ///< behind the last message that was read
    std::int64_t end_ = -1;
    std::int64_t committed_ = -1;
    bool all_handled_ = false;
};

} // namespace cobus::detail::kafka
