#pragma once

#include <cobus/degrade/sqlite_spool.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spool_tool {

/// Which events, of those that wait or of those that Kafka refused.
struct request {
    std::string file;
    std::vector<std::uint64_t> at; ///< sequences; empty: all
    std::string topic;
    std::string type;
    std::string key;
    std::string cause; ///< a part of it
    bool refused = false;
    bool dry_run = false;

    [[nodiscard]] auto takes(const cobus::degrade::spool_row& row, std::string_view why) const
        -> bool;
};

/// Opens a spool that is there and that no process has; throws otherwise.
class box {
public:
    explicit box(const request& wanted);

    [[nodiscard]] auto contents() const -> const cobus::degrade::spool_contents& {
        return contents_;
    }
    [[nodiscard]] auto file() -> cobus::degrade::sqlite_spool& { return file_; }

    /// `see(refused_row)` for each that is wanted; rows that wait have no cause.
    template <class See> void each(const request& wanted, See see) {
        for (std::uint64_t from = 0;;) {
            const std::vector<cobus::degrade::refused_row> some = next(wanted.refused, from);
            if (some.empty()) {
                return;
            }
            for (const cobus::degrade::refused_row& one : some) {
                if (wanted.takes(one.row, one.cause)) {
                    see(one);
                }
            }
            from = some.back().row.sequence + 1;
        }
    }

private:
    [[nodiscard]] auto next(bool refused, std::uint64_t from)
        -> std::vector<cobus::degrade::refused_row>;

    cobus::degrade::sqlite_spool file_;
    cobus::degrade::spool_contents contents_;
};

// Each returns the exit code of the program.

/// How many wait and how many were refused, of which topic and type, and how old the oldest is.
[[nodiscard]] auto count(const request& wanted) -> int;
/// A line for each.
[[nodiscard]] auto list(const request& wanted) -> int;
/// All that is known of each.
[[nodiscard]] auto show(const request& wanted) -> int;
/// Puts refused events back, so that the next process tries them again.
[[nodiscard]] auto replay(const request& wanted) -> int;
/// Forgets events.
[[nodiscard]] auto discard(const request& wanted) -> int;

} // namespace spool_tool
