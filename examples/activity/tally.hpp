#pragma once

#include "activity_event.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace activity {

/// Counts by name.
class counter {
public:
    void add(std::string_view name) {
        const auto found = counts_.find(name);
        if (found != counts_.end()) {
            ++found->second;
        } else {
            counts_.emplace(name, 1);
        }
    }
    [[nodiscard]] auto of(std::string_view name) const -> std::uint64_t {
        const auto found = counts_.find(name);
        return found != counts_.end() ? found->second : 0;
    }
    [[nodiscard]] auto names() const noexcept -> std::size_t { return counts_.size(); }

    using entry = std::pair<std::string, std::uint64_t>;
    /// The most frequent first, of equals the first by name.
    [[nodiscard]] auto top(std::size_t limit) const -> std::vector<entry> {
        std::vector<entry> all(counts_.begin(), counts_.end());
        const auto more = [](const entry& a, const entry& b) {
            return a.second != b.second ? a.second > b.second : a.first < b.first;
        };
        limit = std::min(limit, all.size());
        std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(limit), all.end(),
                          more);
        all.resize(limit);
        return all;
    }
    [[nodiscard]] auto all() const -> std::vector<entry> { return top(counts_.size()); }

private:
    std::map<std::string, std::uint64_t, std::less<>> counts_;
};

/// What a dashboard shows of the events: how many by type, user and device.
struct tally {
    std::uint64_t total = 0;
    counter by_type, by_user, by_device;

    void add(const activity_event& event) {
        ++total;
        by_type.add(event.event_type);
        by_user.add(event.user_id);
        by_device.add(event.props.device);
    }
};

/// "type 12, other 3", the most frequent first.
[[nodiscard]] inline auto to_text(const counter& counts, std::size_t limit) -> std::string {
    std::string text;
    for (const auto& [name, count] : counts.top(limit)) {
        text.append(text.empty() ? "" : ", ")
            .append(name)
            .append(" ")
            .append(std::to_string(count));
    }
    if (counts.names() > limit) {
        text.append(", … (").append(std::to_string(counts.names())).append(" in all)");
    }
    return text;
}

} // namespace activity
