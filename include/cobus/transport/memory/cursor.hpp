#pragma once

#include <cstdint>
#include <string>

namespace cobus::detail {

/// How far one group is in one partition. The partition's lock guards it.
struct memory_cursor {
    const void* group = nullptr;
    const void* owner = nullptr; ///< the member that may commit
    std::uint32_t epoch = 0;     ///< of the owner's assignment
    std::int64_t committed = -1; ///< below it, all is handled; −1 until the first assignment
    bool active = false;         ///< the group has members that want it, so nothing may be lost
    std::string metadata;
};

} // namespace cobus::detail
