#pragma once

#include "../../detail/murmur2.hpp"
#include "partition.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace cobus::detail {

/// A topic and its partitions.
class memory_topic {
public:
    memory_topic(const std::string* name, std::size_t partitions, memory_limits limits)
        : name_(name) {
        for (std::size_t i = 0; i < partitions; ++i) {
            partitions_.push_back(
                std::make_unique<memory_partition>(name, static_cast<std::int32_t>(i), limits));
        }
    }

    [[nodiscard]] auto name() const noexcept -> const std::string* { return name_; }
    [[nodiscard]] auto size() const noexcept -> std::size_t { return partitions_.size(); }
    [[nodiscard]] auto operator[](std::size_t index) noexcept -> memory_partition& {
        return *partitions_[index];
    }

    /// By the number asked for, else by the key, else each in turn. Null for a wrong number.
    [[nodiscard]] auto choose(const message& content, std::int32_t asked) noexcept
        -> memory_partition* {
        const auto count = static_cast<std::uint32_t>(partitions_.size());
        if (asked >= 0) {
            const auto index = static_cast<std::uint32_t>(asked);
            return index < count ? partitions_[index].get() : nullptr;
        }
        if (const auto key = content.key()) {
            return partitions_[partition_of(*key, count)].get();
        }
        // Not an atomic increment: two threads may take the same turn, and it is spread all the
        // same.
        const std::uint32_t turn = turn_.load(std::memory_order_relaxed);
        turn_.store(turn + 1, std::memory_order_relaxed);
        return partitions_[turn % count].get();
    }

private:
    const std::string* name_;
    std::vector<std::unique_ptr<memory_partition>> partitions_;
    std::atomic<std::uint32_t> turn_{0};
};

/// Topics by their interned names. Finding one takes no lock; adding one is for one thread at a
/// time.
class memory_topics {
public:
    memory_topics() {
        tables_.push_back(std::make_unique<table>(16));
        current_.store(tables_.front().get(), std::memory_order_relaxed);
    }

    [[nodiscard]] auto find(const std::string* name) const noexcept -> memory_topic* {
        const table& in = *current_.load(std::memory_order_acquire);
        for (std::size_t at = slot_of(name);; ++at) {
            memory_topic* found = in.slots[at & in.mask].load(std::memory_order_acquire);
            if (found == nullptr || found->name() == name) {
                return found;
            }
        }
    }
    /// May throw `std::bad_alloc`.
    auto add(std::unique_ptr<memory_topic> made) -> memory_topic& {
        if ((all_.size() + 1) * 2 > tables_.back()->slots.size()) {
            auto larger = std::make_unique<table>(tables_.back()->slots.size() * 2);
            for (const auto& each : all_) {
                put(*larger, *each);
            }
            tables_.push_back(std::move(larger)); // old ones stay: somebody may be reading them
            current_.store(tables_.back().get(), std::memory_order_release);
        }
        all_.push_back(std::move(made));
        put(*tables_.back(), *all_.back());
        return *all_.back();
    }
    [[nodiscard]] auto all() const noexcept -> const std::vector<std::unique_ptr<memory_topic>>& {
        return all_;
    }

private:
    struct table {
        explicit table(std::size_t size) : slots(size), mask(size - 1) {}
        std::vector<std::atomic<memory_topic*>> slots;
        std::size_t mask;
    };

    [[nodiscard]] static auto slot_of(const std::string* name) noexcept -> std::size_t {
        const auto address = reinterpret_cast<std::uintptr_t>(name); // NOLINT: hashed
        return static_cast<std::size_t>((address >> 4U) * 0x9E3779B97F4A7C15U >> 40U);
    }
    static void put(table& into, memory_topic& topic) noexcept {
        std::size_t at = slot_of(topic.name());
        while (into.slots[at & into.mask].load(std::memory_order_relaxed) != nullptr) {
            ++at;
        }
        into.slots[at & into.mask].store(&topic, std::memory_order_release);
    }

    std::vector<std::unique_ptr<memory_topic>> all_;
    std::vector<std::unique_ptr<table>> tables_;
    std::atomic<table*> current_{nullptr};
};

} // namespace cobus::detail
