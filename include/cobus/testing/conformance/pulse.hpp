#pragma once

#include "../../detail/completion.hpp"
#include "../../net.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

namespace cobus::testing {

/// Wakes whoever waits for something to change, without losing a change that came before the wait.
/// Any thread.
class pulse {
    using waiter = cobus::detail::completion<std::error_code>;

    class wait { // before its use: its type is deduced
    public:
        wait(pulse& where, std::uint64_t seen) noexcept : where_(&where), seen_(seen) {}

        template <class Handler> void operator()(Handler&& handler) const {
            const std::uint64_t id = where_->next_id();
            const auto slot = net::get_associated_cancellation_slot(handler);
            if (slot.is_connected()) {
                auto connected = slot;
                connected.assign(
                    [where = where_, id](net::cancellation_type /*any*/) { where->cancel(id); });
            }
            where_->add(id, seen_,
                        *cobus::detail::erase_handler<std::error_code>(
                            std::forward<Handler>(handler), where_->executor_));
        }

    private:
        pulse* where_;
        std::uint64_t seen_;
    };

public:
    explicit pulse(net::any_io_executor executor) : executor_(std::move(executor)) {}
    pulse(const pulse&) = delete;
    auto operator=(const pulse&) -> pulse& = delete;
    ~pulse() { drop_all(); }

    [[nodiscard]] auto count() const noexcept -> std::uint64_t {
        return count_.load(std::memory_order_acquire);
    }

    void set() {
        std::map<std::uint64_t, waiter*> all;
        {
            const std::lock_guard lock(guard_);
            count_.fetch_add(1, std::memory_order_release);
            all.swap(waiting_);
        }
        for (const auto& [id, each] : all) {
            each->complete(executor_, false, std::error_code());
        }
    }

    /// Completes when there was a change since `count()` was `seen`. Cancellation: any type.
    [[nodiscard]] auto after(std::uint64_t seen) -> net::awaitable<void> {
        wait initiation(*this, seen);
        return net::async_initiate<const net::use_awaitable_t<>, void(std::error_code)>(
            initiation, net::use_awaitable);
    }

    /// Ends all waits without resuming anybody; for a context that is stopped.
    void drop_all() noexcept {
        std::map<std::uint64_t, waiter*> all;
        {
            const std::lock_guard lock(guard_);
            all.swap(waiting_);
        }
        for (const auto& [id, each] : all) {
            each->destroy();
        }
    }

private:
    [[nodiscard]] auto next_id() noexcept -> std::uint64_t {
        return next_id_.fetch_add(1, std::memory_order_relaxed);
    }
    void add(std::uint64_t id, std::uint64_t seen, waiter& who) {
        {
            const std::lock_guard lock(guard_);
            if (count() == seen) {
                waiting_.emplace(id, &who);
                return;
            }
        }
        who.complete(executor_, false, std::error_code());
    }
    void cancel(std::uint64_t id) {
        waiter* who = nullptr;
        {
            const std::lock_guard lock(guard_);
            const auto found = waiting_.find(id);
            if (found == waiting_.end()) {
                return;
            }
            who = found->second;
            waiting_.erase(found);
        }
        who->complete(executor_, false, net::error::operation_aborted);
    }

    net::any_io_executor executor_;
    std::atomic<std::uint64_t> count_{0};
    std::atomic<std::uint64_t> next_id_{0};
    std::mutex guard_;
    std::map<std::uint64_t, waiter*> waiting_;
};

/// Handlers wait before it until the case opens it. Any thread.
class gate {
public:
    explicit gate(net::any_io_executor executor) : changed_(std::move(executor)) {}

    void open() {
        open_.store(true, std::memory_order_release);
        changed_.set();
    }
    /// Completes once it is open. Cancellation: any type.
    [[nodiscard]] auto pass() -> net::awaitable<void> {
        while (!open_.load(std::memory_order_acquire)) {
            const std::uint64_t seen = changed_.count();
            if (!open_.load(std::memory_order_acquire)) {
                co_await changed_.after(seen);
            }
        }
    }
    void drop_all() noexcept { changed_.drop_all(); }

private:
    std::atomic<bool> open_{false};
    pulse changed_;
};

} // namespace cobus::testing
