#pragma once

#include <cobus/codec/iso_time.hpp>
#include <cobus/degrade/mark.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace offsets {

/// Undoes cobus::degrade::escape_name.
[[nodiscard]] inline auto unescape_name(std::string_view text) -> std::string {
    std::string name;
    while (!text.empty()) {
        unsigned char byte = 0;
        if (text.front() == '%' && text.size() >= 3 &&
            std::from_chars(text.data() + 1, text.data() + 3, byte, 16).ptr == text.data() + 3) {
            name += static_cast<char>(byte);
            text.remove_prefix(3);
        } else {
            name += text.front();
            text.remove_prefix(1);
        }
    }
    return name;
}

/// Counts the messages that handlers of a group skip, as they bear the mark of events that were
/// handled in process while Kafka was away.
class skipped {
public:
    skipped(std::string group, std::chrono::system_clock::time_point now)
        : group_(std::move(group)), now_(now) {}

    /// The mark of one message. What counts is what counts for a bus, which reads it the same way.
    void add(std::string_view mark) {
        const cobus::degrade::mark_reader reader(mark);
        if (!reader.counts(now_)) {
            return;
        }
        std::set<std::string> handlers;
        (void)reader.any([&](std::string_view name) {
            std::string handler = unescape_name(behind(name, '/'));
            if (reader.names(group_, handler)) {
                handlers.insert(std::move(handler));
            }
            return false; // they all are wanted
        });
        for (const std::string& each : handlers) {
            ++handlers_[each];
        }
        if (!handlers.empty()) {
            ++messages_;
            until_ = (std::max)(until_, reader.until());
        }
    }

    [[nodiscard]] auto messages() const noexcept -> std::size_t { return messages_; }

    /// What is to be said of them; nothing when there are none.
    [[nodiscard]] auto warning() const -> std::string {
        if (messages_ == 0) {
            return {};
        }
        std::string text = "Warning: " + std::to_string(messages_) +
                           (messages_ == 1 ? " message" : " messages") +
                           " from there on will be skipped: handled in process while Kafka was "
                           "away, and marked so (cobus-done). A view that is built anew misses:\n";
        for (const auto& [handler, count] : handlers_) {
            text += "  " + std::to_string(count) + " of " + group_ + "/" + handler + "\n";
        }
        return text + "Start the service with COBUS_HONOUR_MARKS=false until it has caught up" +
               wait_text() + ".\n";
    }

private:
    /// What follows the first of that character; all, if there is none.
    [[nodiscard]] static auto behind(std::string_view text, char which) -> std::string_view {
        const std::size_t at = text.find(which);
        return at == std::string_view::npos ? text : text.substr(at + 1);
    }
    [[nodiscard]] auto wait_text() const -> std::string {
        constexpr std::int64_t last_second = 253'402'300'799; // of the year 9999
        std::array<char, cobus::detail::iso_time_size> time{};
        if (until_ > last_second) {
            return "; the last mark never ends";
        }
        const std::chrono::sys_seconds until{std::chrono::seconds(until_)};
        char* const end = cobus::detail::put_iso_time(until, time.data());
        return ", or wait until the last mark ends at " + std::string(time.data(), end);
    }

    std::string group_;
    std::chrono::system_clock::time_point now_;
    std::map<std::string, std::size_t> handlers_;
    std::size_t messages_ = 0;
    std::int64_t until_ = 0;
};

} // namespace offsets
