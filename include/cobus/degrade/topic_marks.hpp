#pragma once

#include "route_marks.hpp"

#include <string>
#include <unordered_map>

namespace cobus::degrade {

/// The marks of all topics that this process publishes to or reads. Whoever uses it locks.
class topic_marks {
public:
    /// Of one topic, and whose.
    struct entry final : route_marks {
        explicit entry(void* whose) noexcept : owner(whose) {}
        void* owner;
    };

    explicit topic_marks(void* owner) noexcept : owner_(owner) {}

    /// It stays where it is. May throw `std::bad_alloc`.
    [[nodiscard]] auto at(const std::string* topic) -> entry& {
        if (last_ == nullptr || topic != last_topic_) { // it seldom changes
            last_ = &all_.try_emplace(topic, owner_).first->second;
            last_topic_ = topic;
        }
        return *last_;
    }

private:
    void* owner_;
    std::unordered_map<const std::string*, entry> all_;
    const std::string* last_topic_ = nullptr;
    entry* last_ = nullptr;
};

} // namespace cobus::degrade
