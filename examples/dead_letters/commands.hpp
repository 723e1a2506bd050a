#pragma once

#include "letter.hpp"

#include <string>
#include <vector>

namespace dead_letters {

/// What all commands know: the topics, all dead letter topics when there are none, and which
/// letters.
struct request {
    std::vector<std::string> topics;
    filter which;
};

// Each returns the exit code of the program.

/// How many lie in each topic and how old the oldest is, and what they are.
[[nodiscard]] auto count(const request& wanted) -> int;
/// A line for each.
[[nodiscard]] auto list(const request& wanted) -> int;
/// All that is known of each.
[[nodiscard]] auto show(const request& wanted) -> int;

struct replay_options {
    bool dry_run = false;
    bool everyone = false; ///< all groups and handlers, not only the one that failed
};
/// Sends them to where they failed. What was sent is settled, so that it is not sent twice.
[[nodiscard]] auto replay_all(const request& wanted, replay_options how) -> int;
/// Sends the letters of a file to the dead letter topics that refused them, but those that lie
/// there already. From then on they are like all others.
[[nodiscard]] auto unpark(const std::string& file, bool dry_run) -> int;
/// Settles them without sending.
[[nodiscard]] auto discard(const request& wanted, bool dry_run) -> int;

} // namespace dead_letters
