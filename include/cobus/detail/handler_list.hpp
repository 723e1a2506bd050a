#pragma once

#include "../dispatch/registration.hpp"
#include "../dispatch/retry_message.hpp"
#include "../error.hpp"
#include "../transport/transport.hpp"
#include "intern.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// The handlers of a bus: added and removed from any thread, looked at by the home through its own
/// copy.
class handler_list {
public:
    using waiter = completion<std::error_code>;
    using all = std::vector<std::shared_ptr<registration>>;

    handler_list() = default;
    handler_list(const handler_list&) = delete;
    auto operator=(const handler_list&) -> handler_list& = delete;

    // From any thread; the caller wakes the home.

    void add(std::shared_ptr<registration> handler) {
        const std::lock_guard lock(guard_);
        handlers_.push_back(std::move(handler));
        changed_.store(true, std::memory_order_release);
    }
    /// False: its last run has ended, nobody knows it any more, and nobody will tell `who`.
    [[nodiscard]] auto close(registration& handler, waiter* who) -> bool {
        const std::lock_guard lock(guard_);
        if (handler.forgotten) {
            return false;
        }
        handler.close_requested.store(true, std::memory_order_release);
        changed_.store(true, std::memory_order_release);
        if (who != nullptr) {
            handler.close_waiters.push(*who);
            ++waiting_;
        }
        return true;
    }
    /// False: as of `close`.
    [[nodiscard]] auto when_ready(registration& handler, waiter& who) -> bool {
        const std::lock_guard lock(guard_);
        if (handler.forgotten) {
            return false;
        }
        handler.ready_waiters.push(who);
        ++waiting_;
        return true;
    }

    // Home only.

    [[nodiscard]] auto known() const noexcept -> const all& { return known_; }
    /// Takes over what changed; true if anything did.
    auto update() -> bool {
        if (!changed_.load(std::memory_order_acquire)) {
            return false;
        }
        const std::lock_guard lock(guard_);
        changed_.store(false, std::memory_order_relaxed);
        known_ = handlers_;
        return true;
    }
    /// Whether anybody waits for a handler, or one is going.
    [[nodiscard]] auto busy() const noexcept -> bool {
        return waiting_.load(std::memory_order_acquire) > 0 ||
               std::any_of(known_.begin(), known_.end(),
                           [](const auto& each) { return each->closing; });
    }
    [[nodiscard]] auto take(status_queue& from) -> status_queue {
        const std::lock_guard lock(guard_);
        waiting_ -= from.size();
        return std::exchange(from, status_queue());
    }
    /// Forgets those that are closed and over; true if there were any.
    auto sweep() -> bool {
        const auto over = [](const auto& each) {
            each->forgotten = each->closing && each->unfinished == 0 && each->empty() &&
                              each->close_waiters.empty() && each->ready_waiters.empty();
            return each->forgotten;
        };
        const std::lock_guard lock(guard_);
        std::erase_if(known_, over);
        return std::erase_if(handlers_, [](const auto& each) { return each->forgotten; }) > 0;
    }
    /// The topics of those that stay.
    [[nodiscard]] auto topics() const -> std::vector<const std::string*> {
        std::vector<const std::string*> wanted;
        for (const auto& each : known_) {
            for (const std::string* topic : each->topics()) {
                if (!each->closing &&
                    std::find(wanted.begin(), wanted.end(), topic) == wanted.end()) {
                    wanted.push_back(topic);
                }
            }
        }
        return wanted;
    }
    /// The retry topics of those that want such.
    [[nodiscard]] auto companions(std::string_view group, std::size_t tiers) const
        -> std::vector<companion> {
        std::vector<companion> wanted;
        for (const auto& each : known_) {
            if (each->closing || !each->options().retry_topics()) {
                continue;
            }
            for (const std::string* topic : each->topics()) {
                for (std::size_t i = 0; i < tiers && may_have_retry_topic(*topic); ++i) {
                    const companion made{topic, intern(retry_topic_of(group, *topic, i))};
                    if (std::find(wanted.begin(), wanted.end(), made) == wanted.end()) {
                        wanted.push_back(made);
                    }
                }
            }
        }
        return wanted;
    }
    /// What opens structured CloudEvents, from the first codec that can.
    [[nodiscard]] auto unwrap() const noexcept -> codec_result (*)(message&) {
        for (const auto& each : known_) {
            if (!each->closing && each->info() != nullptr && each->info()->unwrap != nullptr) {
                return each->info()->unwrap;
            }
        }
        return nullptr;
    }
    /// Everybody, for the very end.
    [[nodiscard]] auto everybody() -> all {
        const std::lock_guard lock(guard_);
        all both = handlers_;
        both.insert(both.end(), known_.begin(), known_.end());
        return both;
    }

private:
    std::mutex guard_;
    all handlers_;
    std::atomic<bool> changed_{false};
    std::atomic<std::size_t> waiting_{0};
    all known_; // the home's
};

} // namespace cobus::detail
