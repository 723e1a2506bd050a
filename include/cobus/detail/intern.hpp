#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace cobus::detail {

/// The one copy of a name in this process; pointers to it never dangle and compare as the names do.
/// Topics are few, so they are never given back. Thread-safe.
[[nodiscard]] inline auto intern(std::string_view name) -> const std::string* {
    struct table {
        std::mutex guard;
        std::set<std::string, std::less<>> names;
    };
    static table* const instance = new table; // leaked: receipts may outlive static destruction
    const std::lock_guard lock(instance->guard);
    auto found = instance->names.find(name);
    if (found == instance->names.end()) {
        found = instance->names.emplace(name).first;
    }
    return &*found;
}

} // namespace cobus::detail
