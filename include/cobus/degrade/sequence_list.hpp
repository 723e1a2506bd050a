#pragma once

#include <cstddef>

namespace cobus::degrade {

/// Where an item keeps what `sequence_list` needs: in itself.
struct own_links {
    template <class Item> [[nodiscard]] static auto of(Item& item) noexcept -> Item& {
        return item;
    }
};

/// Items in the order of their `sequence`, linked by their `before` and `behind`, without
/// allocating. `Links::of` says where those are.
template <class Item, class Links = own_links> class sequence_list {
public:
    [[nodiscard]] auto empty() const noexcept -> bool { return first_ == nullptr; }
    [[nodiscard]] auto front() const noexcept -> Item* { return first_; }
    [[nodiscard]] auto back() const noexcept -> Item* { return last_; }
    [[nodiscard]] auto size() const noexcept -> std::size_t { return size_; }

    /// From the end: nearly all are the youngest.
    void insert(Item& item) noexcept {
        Item* before = last_;
        while (before != nullptr && of(*before).sequence > of(item).sequence) {
            before = of(*before).before;
        }
        link(item, before, before != nullptr ? of(*before).behind : first_);
    }
    /// From the start: for what comes back, which is older than nearly all that are here.
    void insert_old(Item& item) noexcept {
        Item* behind = first_;
        while (behind != nullptr && of(*behind).sequence < of(item).sequence) {
            behind = of(*behind).behind;
        }
        link(item, behind != nullptr ? of(*behind).before : last_, behind);
    }
    void erase(Item& item) noexcept {
        auto& its = of(item);
        (its.before != nullptr ? of(*its.before).behind : first_) = its.behind;
        (its.behind != nullptr ? of(*its.behind).before : last_) = its.before;
        its.before = its.behind = nullptr;
        --size_;
    }
    /// Takes all of another one.
    void merge(sequence_list& other) noexcept {
        Item* behind = first_;
        while (Item* const item = other.first_) {
            other.erase(*item);
            while (behind != nullptr && of(*behind).sequence < of(*item).sequence) {
                behind = of(*behind).behind;
            }
            link(*item, behind != nullptr ? of(*behind).before : last_, behind);
        }
    }

private:
    [[nodiscard]] static auto of(Item& item) noexcept -> auto& { return Links::of(item); }
    void link(Item& item, Item* before, Item* behind) noexcept {
        of(item).before = before;
        of(item).behind = behind;
        (before != nullptr ? of(*before).behind : first_) = &item;
        (behind != nullptr ? of(*behind).before : last_) = &item;
        ++size_;
    }

    Item* first_ = nullptr;
    Item* last_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace cobus::degrade
