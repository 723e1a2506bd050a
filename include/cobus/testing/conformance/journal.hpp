#pragma once

#include "../../dispatch/context.hpp"
#include "../../message.hpp"
#include "note.hpp"
#include "pulse.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cobus::testing {

/// What handlers and completions write down, in the order in which it happened. Any thread.
template <class T> class journal {
public:
    explicit journal(pulse& changed) noexcept : changed_(&changed) {}

    void add(T entry) {
        {
            const std::lock_guard lock(guard_);
            all_.push_back(std::move(entry));
        }
        changed_->set();
    }
    [[nodiscard]] auto size() const -> std::size_t {
        const std::lock_guard lock(guard_);
        return all_.size();
    }
    [[nodiscard]] auto all() const -> std::vector<T> {
        const std::lock_guard lock(guard_);
        return all_;
    }
    /// The latest so many.
    [[nodiscard]] auto last(std::size_t count) const -> std::vector<T> {
        const std::lock_guard lock(guard_);
        const std::size_t some = (std::min)(count, all_.size());
        return std::vector<T>(all_.end() - static_cast<std::ptrdiff_t>(some), all_.end());
    }
    template <class Predicate> [[nodiscard]] auto count(Predicate wanted) const -> std::size_t {
        const std::lock_guard lock(guard_);
        return static_cast<std::size_t>(std::count_if(all_.begin(), all_.end(), wanted));
    }

private:
    pulse* changed_;
    mutable std::mutex guard_;
    std::vector<T> all_;
};

/// A message as a handler saw it.
struct seen_message {
    std::string id;
    std::string topic;
    std::string type;
    std::string source;
    std::optional<std::string> key;
    std::optional<std::string> payload;
    cobus::headers headers;
    time_point time{};
    std::int32_t partition = -1;
    std::int64_t offset = -1;

    [[nodiscard]] static auto of(const message& content, const context& where) -> seen_message {
        seen_message made;
        made.id = content.id().str();
        made.topic = where.topic();
        made.type = content.type();
        made.source = content.source();
        if (content.key()) {
            made.key = std::string(*content.key());
        }
        if (!content.is_null()) {
            made.payload = std::string(content.payload());
        }
        made.headers = content.headers();
        made.time = content.time();
        made.partition = where.partition();
        made.offset = where.offset();
        return made;
    }
};

/// A note as a handler saw it.
struct seen_note {
    note event;
    std::int32_t partition = -1;
    std::int64_t offset = -1;
    unsigned attempt = 0;

    [[nodiscard]] static auto of(const note& event, const context& where) -> seen_note {
        seen_note made;
        made.event = event;
        made.partition = where.partition();
        made.offset = where.offset();
        made.attempt = where.attempt();
        return made;
    }
};

} // namespace cobus::testing
