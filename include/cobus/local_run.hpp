#pragma once

#include "detail/pool.hpp"
#include "message.hpp"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus {

/// What handlers of this process do with an event that is also kept for Kafka. The event's message
/// in process carries it; the dispatcher asks before each run and tells how it ended, the spool
/// closes it before the event goes to Kafka. Counted references: the spool has one, each message
/// in process another. Thread-safe.
class local_run {
public:
    local_run() = default;
    local_run(const local_run&) = delete;
    auto operator=(const local_run&) -> local_run& = delete;

    // The dispatcher's.

    /// False: it is Kafka's turn now, and the handler must not run. If it runs for too long,
    /// `late(who)` is called, under the lock, so not after its `end`.
    [[nodiscard]] auto begin(void (*late)(void*) noexcept = nullptr, void* who = nullptr) noexcept
        -> bool {
        const std::lock_guard lock(guard_);
        if (closed_) {
            return false;
        }
        ++running_;
        late_ = late;
        runs_at_ = who;
        return true;
    }
    /// After each `begin` that was true. `settled`: the handler wants to see the event never again.
    void end(std::string_view handler, bool settled) {
        const std::lock_guard lock(guard_);
        --running_;
        if (settled && !forgotten_) {
            settled_.emplace_back(handler);
            if (noted_ != nullptr) {
                noted_(noting_, number_, handler);
            }
        }
        if (running_ == 0 && closed_ && told_ != nullptr) {
            told_(who_);
        }
    }
    /// The spool waits no longer: what still runs is to be cancelled.
    [[nodiscard]] auto forgotten() const noexcept -> bool {
        const std::lock_guard lock(guard_);
        return forgotten_;
    }

    // The spool's.

    /// Nothing begins from now on. True: nothing runs either; else `told(who)` follows, under the
    /// lock.
    [[nodiscard]] auto close(void (*told)(void*) noexcept, void* who) noexcept -> bool {
        const std::lock_guard lock(guard_);
        closed_ = true;
        told_ = told;
        who_ = who;
        return running_ == 0;
    }
    /// Results that are not in yet do not count, and what still runs is to be cancelled.
    void forget() noexcept {
        const std::lock_guard lock(guard_);
        closed_ = forgotten_ = true;
        if (running_ > 0 && late_ != nullptr) {
            late_(runs_at_);
        }
    }
    /// The handlers that are through with it.
    [[nodiscard]] auto settled() const -> std::vector<std::string> {
        const std::lock_guard lock(guard_);
        return settled_;
    }
    [[nodiscard]] auto idle() const noexcept -> bool {
        const std::lock_guard lock(guard_);
        return running_ == 0 || forgotten_;
    }
    /// Nobody is told any more.
    void detach() noexcept {
        const std::lock_guard lock(guard_);
        closed_ = true;
        told_ = nullptr;
        noted_ = nullptr;
        late_ = nullptr;
    }
    /// Who writes down which handlers are through with it: called under the lock.
    using note = void (*)(void* who, std::uint64_t number, std::string_view handler);
    void on_settled(note told, void* who, std::uint64_t number) noexcept {
        const std::lock_guard lock(guard_);
        noted_ = told;
        noting_ = who;
        number_ = number;
    }
    /// Of an earlier process.
    void restore(std::vector<std::string> settled) noexcept {
        const std::lock_guard lock(guard_);
        settled_ = std::move(settled);
        closed_ = true;
    }

    void keep() noexcept {
        const std::lock_guard lock(guard_);
        ++owners_;
    }
    /// Messages in process read the event that they were made of: it goes with the last of them.
    void keep_alive(message_ptr original) noexcept {
        const std::lock_guard lock(guard_);
        original_ = std::move(original);
    }
    static void release(void* which) noexcept {
        auto* const self = static_cast<local_run*>(which);
        bool last = false;
        {
            const std::lock_guard lock(self->guard_);
            last = --self->owners_ == 0;
        }
        if (last) {
            detail::pool_delete(self);
        }
    }

private:
    mutable std::mutex guard_;
    std::vector<std::string> settled_;
    message_ptr original_;
    void (*told_)(void*) noexcept = nullptr;
    void* who_ = nullptr;
    void (*late_)(void*) noexcept = nullptr; ///< of whoever runs the handlers
    void* runs_at_ = nullptr;
    note noted_ = nullptr;
    void* noting_ = nullptr;
    std::uint64_t number_ = 0;
    std::size_t running_ = 0;
    std::size_t owners_ = 1;
    bool closed_ = false;
    bool forgotten_ = false;
};

} // namespace cobus
