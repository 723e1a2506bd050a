#pragma once

#include <atomic>

namespace cobus::detail {

/// Many threads push, one takes all, in the order of pushing. Intrusive: `T` has `T* inbox_next`.
template <class T> class inbox {
public:
    void push(T& item) noexcept {
        T* first = top_.load(std::memory_order_relaxed);
        do {
            item.inbox_next = first;
        } while (!top_.compare_exchange_weak(first, &item, std::memory_order_seq_cst,
                                             std::memory_order_relaxed));
    }
    /// Sequentially consistent with `push`, for who announces that it sleeps and then looks again.
    [[nodiscard]] auto empty() const noexcept -> bool {
        return top_.load(std::memory_order_seq_cst) == nullptr;
    }

    /// A list by `inbox_next`, oldest first; null when empty.
    [[nodiscard]] auto take() noexcept -> T* {
        if (top_.load(std::memory_order_relaxed) == nullptr) {
            return nullptr;
        }
        T* reversed = top_.exchange(nullptr, std::memory_order_acquire);
        T* list = nullptr;
        while (reversed != nullptr) {
            T* next = reversed->inbox_next;
            reversed->inbox_next = list;
            list = reversed;
            reversed = next;
        }
        return list;
    }

private:
    std::atomic<T*> top_{nullptr};
};

} // namespace cobus::detail
