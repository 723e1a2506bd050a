#pragma once

#include "../contract.hpp"
#include "../message.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cobus::degrade {

/// Who has an event that the spool keeps.
enum class row_state : unsigned char {
    in_client, ///< Kafka's client has it, too, and will report on it
    pending,   ///< nobody but the spool
};

/// A handler of this process's group that is through with an event: it did it, skipped it, or its
/// dead letter is safe.
struct executor_name {
    std::string group;
    std::string handler;

    friend auto operator==(const executor_name&, const executor_name&) -> bool = default;
};

/// An event that is kept until Kafka has it.
struct spool_row {
    std::uint64_t sequence = 0; ///< the spool's own, ascending in the order of publishing
    row_state state = row_state::pending;
    policy when_away = policy::deliver;
    std::int32_t partition = -1; ///< asked for, or −1: the key decides
    time_point since{};          ///< when it was put
    message content;             ///< with its bytes; one that was read owns all that it says
    std::vector<executor_name> settled;
};

// What may happen to rows.
struct row_put {
    const spool_row* row = nullptr; ///< read during the call
};
struct row_moved {
    std::uint64_t sequence = 0;
    row_state to = row_state::pending;
};
struct row_settled {
    std::uint64_t sequence = 0;
    executor_name by;
};
struct row_gone { ///< Kafka has it, or nobody wants it any more
    std::uint64_t sequence = 0;
};
struct row_refused { ///< Kafka will never take it: kept apart, for a person to look at
    std::uint64_t sequence = 0;
    std::string cause; ///< in words, without secrets
    std::chrono::system_clock::time_point at;
};
using row_change = std::variant<row_put, row_moved, row_settled, row_gone, row_refused>;

/// What is in a spool.
struct spool_contents {
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;                        ///< of payloads and keys
    std::uint64_t refused = 0;                      ///< rows kept apart
    std::uint64_t next_sequence = 1;                ///< above every one that was ever given
    std::chrono::system_clock::time_point oldest{}; ///< of the rows; the epoch without any
};

/// Keeps rows beyond the life of the process. Its calls block, and are made one at a time, on any
/// thread.
///
/// Errors: throws `cobus::error` that says what and where: `errc::queue_full` when the disk is
/// full, `errc::bad_settings` when it is no spool, one of a newer version, or damaged, and
/// `errc::store_failed` for all else, such as another process that has it.
///
/// A message that is read has no contract any more, so the file keeps the form in which it has to
/// go out (`message::form`), and one in structured mode comes back as the envelope that it goes out
/// as.
class spool_file {
public:
    spool_file() = default;
    spool_file(const spool_file&) = delete;
    auto operator=(const spool_file&) -> spool_file& = delete;
    virtual ~spool_file() = default;

    /// Locks the file against others and says what is in it. Rows that a dead process left as
    /// `in_client` are `pending` from then on: whether Kafka has them nobody knows.
    [[nodiscard]] virtual auto open() -> spool_contents = 0;
    /// Does all of it, in order, or, when it throws, none of it. What it did survives what the file
    /// was made to survive. Changes of rows that are not there are passed by.
    virtual void apply(std::span<const row_change> changes) = 0;
    /// The rows from that sequence on, ascending: as many as asked for, and no more once `bytes`
    /// are reached, but one at least if there is one.
    [[nodiscard]] virtual auto read(std::uint64_t from, std::size_t rows, std::size_t bytes)
        -> std::vector<spool_row> = 0;
};

/// Makes the file of a bus. Throws as its calls do.
using spool_file_factory = std::function<std::unique_ptr<spool_file>()>;

/// What a row counts against the bounds: its payload and its key.
[[nodiscard]] inline auto bytes_of(const message& content) noexcept -> std::size_t {
    return content.payload().size() + content.key().value_or(std::string_view()).size();
}

} // namespace cobus::degrade
