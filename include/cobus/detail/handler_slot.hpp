#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace cobus::detail {

/// Room for one completion handler `void()`, in place: a worker's way to be resumed, without
/// allocating.
class handler_slot {
public:
    handler_slot() = default;
    handler_slot(const handler_slot&) = delete;
    auto operator=(const handler_slot&) -> handler_slot& = delete;
    ~handler_slot() { clear(); }

    template <class Handler> void emplace(Handler&& handler) {
        using stored = std::decay_t<Handler>;
        static_assert(sizeof(stored) <= room && alignof(stored) <= alignof(std::max_align_t));
        ::new (static_cast<void*>(memory_)) stored(std::forward<Handler>(handler));
        act_ = [](void* memory, bool invoke) {
            auto* self = static_cast<stored*>(memory);
            if (!invoke) {
                self->~stored();
                return;
            }
            stored taken(std::move(*self));
            self->~stored();
            std::move(taken)();
        };
    }
    /// Invokes and empties; the handler may fill the slot again.
    void invoke() { std::exchange(act_, nullptr)(memory_, true); }
    void clear() noexcept {
        if (act_ != nullptr) {
            std::exchange(act_, nullptr)(memory_, false);
        }
    }
    [[nodiscard]] auto filled() const noexcept -> bool { return act_ != nullptr; }

private:
    static constexpr std::size_t room = 64;

    alignas(std::max_align_t) std::byte memory_[room]; // NOLINT: storage
    void (*act_)(void*, bool) = nullptr;
};

} // namespace cobus::detail
