#pragma once

#include "../../error.hpp"
#include "../../message.hpp"

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Tells a function of the user's which kept events Kafka refused for good. It gets copies, because
/// a spool's file may still read the event when it is told.
class refused_events {
public:
    using listener = std::function<void(const message&, std::error_code)>;

    explicit refused_events(listener told) : told_(std::move(told)) {}
    refused_events(const refused_events&) = delete;
    auto operator=(const refused_events&) -> refused_events& = delete;

    [[nodiscard]] auto wanted() const noexcept -> bool { return told_ != nullptr; }
    /// Of one that somebody wants to hear of.
    [[nodiscard]] auto copy_of(const message_ptr& from, std::error_code why) const noexcept
        -> std::optional<message> {
        if (!wanted() || from == nullptr || !(why == condition::permanent)) {
            return std::nullopt;
        }
        try {
            return copy(*from);
        } catch (...) { // no memory to tell
            return std::nullopt;
        }
    }
    [[nodiscard]] static auto copy(const message& from) -> message {
        message made;
        made.topic(from.topic());
        made.type(from.type());
        made.source(from.source());
        made.id(from.id());
        made.time(from.time());
        if (const auto key = from.key()) {
            made.key(*key);
        }
        made.headers() = from.headers();
        if (!from.is_null()) {
            made.payload(std::string(from.payload()));
        }
        return made;
    }
    /// From any thread; the caller wakes the home.
    void add(message what, std::error_code why) {
        const std::lock_guard lock(guard_);
        waiting_.emplace_back(std::move(what), why);
    }
    /// Of the home.
    void tell() {
        if (!wanted()) {
            return;
        }
        std::vector<std::pair<message, std::error_code>> some;
        {
            const std::lock_guard lock(guard_);
            some.swap(waiting_);
        }
        for (const auto& [what, why] : some) {
            try {
                told_(what, why);
            } catch (...) { // the others are told all the same
            }
        }
    }

private:
    listener told_;
    std::mutex guard_;
    std::vector<std::pair<message, std::error_code>> waiting_;
};

} // namespace cobus::detail
