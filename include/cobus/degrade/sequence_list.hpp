#pragma once

#include <cstddef>

namespace cobus::degrade {

/// Items in the order of their `sequence`, linked by their `before` and `behind`, without
/// allocating.
template <class Item> class sequence_list {
public:
    [[nodiscard]] auto empty() const noexcept -> bool { return first_ == nullptr; }
    [[nodiscard]] auto front() const noexcept -> Item* { return first_; }
    [[nodiscard]] auto back() const noexcept -> Item* { return last_; }
    [[nodiscard]] auto size() const noexcept -> std::size_t { return size_; }

    /// From the end: nearly all are the youngest.
    void insert(Item& item) noexcept {
        Item* before = last_;
        while (before != nullptr && before->sequence > item.sequence) {
            before = before->before;
        }
        link(item, before, before != nullptr ? before->behind : first_);
    }
    /// From the start: for what comes back, which is older than nearly all that are here.
    void insert_old(Item& item) noexcept {
        Item* behind = first_;
        while (behind != nullptr && behind->sequence < item.sequence) {
            behind = behind->behind;
        }
        link(item, behind != nullptr ? behind->before : last_, behind);
    }
    void erase(Item& item) noexcept {
        (item.before != nullptr ? item.before->behind : first_) = item.behind;
        (item.behind != nullptr ? item.behind->before : last_) = item.before;
        item.before = item.behind = nullptr;
        --size_;
    }
    /// Takes all of another one.
    void merge(sequence_list& other) noexcept {
        Item* behind = first_;
        while (Item* const item = other.first_) {
            other.erase(*item);
            while (behind != nullptr && behind->sequence < item->sequence) {
                behind = behind->behind;
            }
            link(*item, behind != nullptr ? behind->before : last_, behind);
        }
    }

private:
    void link(Item& item, Item* before, Item* behind) noexcept {
        item.before = before;
        item.behind = behind;
        (before != nullptr ? before->behind : first_) = &item;
        (behind != nullptr ? behind->before : last_) = &item;
        ++size_;
    }

    Item* first_ = nullptr;
    Item* last_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace cobus::degrade
