#pragma once

#include <cstddef>

namespace cobus::detail {

/// First in, first out, without allocating. `T` has `T* queue_next`; an item is in one queue at a
/// time.
template <class T> class queue {
public:
    void push(T& item) noexcept {
        item.queue_next = nullptr;
        (last_ != nullptr ? last_->queue_next : first_) = &item;
        last_ = &item;
        ++size_;
    }
    void push_front(T& item) noexcept {
        item.queue_next = first_;
        first_ = &item;
        if (last_ == nullptr) {
            last_ = &item;
        }
        ++size_;
    }
    [[nodiscard]] auto pop() noexcept -> T* {
        T* item = first_;
        if (item != nullptr) {
            first_ = item->queue_next;
            if (first_ == nullptr) {
                last_ = nullptr;
            }
            --size_;
        }
        return item;
    }
    /// Takes out what `unwanted` says, in order, and hands it to `sink`.
    template <class Predicate, class Sink> void remove_if(Predicate unwanted, Sink sink) {
        queue kept;
        queue gone;
        while (T* item = pop()) {
            (unwanted(*item) ? gone : kept).push(*item);
        }
        *this = kept;
        while (T* item = gone.pop()) {
            sink(*item);
        }
    }
    [[nodiscard]] auto empty() const noexcept -> bool { return first_ == nullptr; }
    [[nodiscard]] auto size() const noexcept -> std::size_t { return size_; }

private:
    T* first_ = nullptr;
    T* last_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace cobus::detail
