#pragma once

#include "target.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace offsets {

/// What both commands know; no group means that of the environment.
struct request {
    std::string group;
    std::vector<std::string> topics;
};

// Each returns the exit code of the program.

/// Where the group stands in each partition; without topics in all where it has committed.
[[nodiscard]] auto show(const request& wanted) -> int;

struct reset_options {
    target to;
    std::optional<std::int32_t> partition; ///< all, unless said
    bool dry_run = false;
};
/// Has the group go on elsewhere, and warns of messages that it would skip there.
[[nodiscard]] auto reset(const request& wanted, const reset_options& how) -> int;

} // namespace offsets
