#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace floors {

/// What all in-process figures carry.
struct event {
    std::string key; // 8 bytes
    std::uint64_t value = 0;
};

/// A thousand events, each with its own key; publishers go round and copy them.
[[nodiscard]] inline auto make_events() -> std::vector<event> {
    std::vector<event> made(1000);
    for (std::size_t i = 0; i < made.size(); ++i) {
        made[i].key = "key-" + std::to_string(1000 + i);
        made[i].value = i;
    }
    return made;
}

/// What handlers add up, so that a benchmark can tell that each event was handled once.
[[nodiscard]] inline auto worth(const event& handled) noexcept -> std::uint64_t {
    return handled.value + handled.key.size();
}
[[nodiscard]] inline auto worth_of(const std::vector<event>& round, std::size_t published)
    -> std::uint64_t {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < published; ++i) {
        sum += worth(round[i % round.size()]);
    }
    return sum;
}

} // namespace floors
