#pragma once

#include "../net.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

namespace cobus::detail {

/// What the service of a context can end: everything of a bus that depends on the context.
class owned_by_context {
public:
    owned_by_context(const owned_by_context&) = delete;
    auto operator=(const owned_by_context&) -> owned_by_context& = delete;
    /// The context is being destroyed: destroy pending handlers without invoking them, silence
    /// every wake, drop timers. Nothing may touch the context afterwards.
    virtual void context_gone() noexcept = 0;

protected:
    owned_by_context() = default;
    ~owned_by_context() = default;
};

/// Owns the pending operations of all buses on a context, as Asio's own services do. A bus that is
/// held in the frame of a coroutine which waits for that bus would otherwise keep itself alive for
/// ever.
class bus_service final : public net::execution_context::service {
public:
    inline static net::execution_context::id id;

    explicit bus_service(net::execution_context& context) : service(context) {}

    void add(const std::shared_ptr<owned_by_context>& bus) {
        const std::lock_guard lock(guard_);
        std::erase_if(buses_, [](const auto& each) { return each.expired(); });
        buses_.push_back(bus);
    }

private:
    void shutdown() noexcept override {
        std::vector<std::weak_ptr<owned_by_context>> all;
        {
            const std::lock_guard lock(guard_);
            all.swap(buses_);
        }
        for (const auto& each : all) {
            if (const auto bus = each.lock()) {
                bus->context_gone();
            }
        }
    }

    std::mutex guard_;
    std::vector<std::weak_ptr<owned_by_context>> buses_;
};

} // namespace cobus::detail
