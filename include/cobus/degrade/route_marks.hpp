#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace cobus::degrade {

/// Of one topic: how far Kafka has what this process published, and how far this process's group
/// member has handled what is there. An event is handled in process only when nothing that this
/// process published before it is still to come back.
class route_marks {
public:
    /// Kafka has an event of ours there.
    void acknowledged(std::int32_t partition, std::int64_t offset) {
        std::int64_t& last = at(partition).published;
        last = (std::max)(last, offset);
    }
    /// Where ours are is not known.
    void unknown() noexcept { unknown_ = true; }
    /// This member owns the partition, and everything below was handled.
    void handled(std::int32_t partition, std::int64_t below) { at(partition).handled = below; }
    /// The partition went elsewhere.
    void lost(std::int32_t partition) { at(partition).handled = none; }

    /// Everything that this process published came back and was handled.
    [[nodiscard]] auto caught_up() const noexcept -> bool {
        return !unknown_ && std::all_of(all_.begin(), all_.end(), [](const mark& each) {
            return each.published < each.handled || each.published == none;
        });
    }
    /// The same of one partition.
    [[nodiscard]] auto caught_up(std::int32_t partition) const noexcept -> bool {
        const auto index = static_cast<std::size_t>(partition);
        if (unknown_) {
            return false;
        }
        return index >= all_.size() || all_[index].published == none ||
               all_[index].published < all_[index].handled;
    }

private:
    static constexpr std::int64_t none = -1;
    struct mark {
        std::int64_t published = none; ///< offset
        std::int64_t handled = none;
    };

    [[nodiscard]] auto at(std::int32_t partition) -> mark& {
        const auto index = static_cast<std::size_t>(partition < 0 ? 0 : partition);
        if (index >= all_.size()) {
            all_.resize(index + 1);
        }
        return all_[index];
    }

    std::vector<mark> all_;
    bool unknown_ = false;
};

} // namespace cobus::degrade
