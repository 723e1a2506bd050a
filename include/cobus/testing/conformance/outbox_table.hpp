#pragma once

#include "../../error.hpp"
#include "../../outbox/store.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::testing {

/// An outbox's table in memory, with the leases and fencing numbers of those in databases.
class outbox_table {
public:
    /// Another place in the order, for a row that is committed later than those behind it.
    [[nodiscard]] auto next_place() -> std::int64_t {
        const std::lock_guard lock(guard_);
        return ++last_;
    }
    void add(outbox_row row) {
        const std::lock_guard lock(guard_);
        row.sequence = ++last_;
        rows_.push_back(std::move(row));
    }
    void add(outbox_row row, std::int64_t place) {
        const std::lock_guard lock(guard_);
        row.sequence = place;
        rows_.insert(rows_.begin(), std::move(row));
    }
    [[nodiscard]] auto size() const -> std::size_t {
        const std::lock_guard lock(guard_);
        return rows_.size();
    }

    /// What a relay is given; the table outlives it. `dies`: the relay's process ends between
    /// publishing and deleting.
    [[nodiscard]] auto store(bool dies = false) -> std::unique_ptr<outbox_store> {
        return std::make_unique<relays_view>(*this, dies);
    }

private:
    using clock = std::chrono::steady_clock;
    static constexpr auto shards = static_cast<std::size_t>(cobus::detail::outbox_shards);
    struct lease {
        const void* owner = nullptr;
        std::int64_t fence = 0;
        clock::time_point until{};
    };

    class relays_view final : public outbox_store {
    public:
        relays_view(outbox_table& table, bool dies) : table_(&table), dies_(dies) {}

        auto lease(std::chrono::milliseconds length, std::size_t most) -> std::size_t override {
            const std::lock_guard lock(table_->guard_);
            const auto now = clock::now();
            std::size_t held = 0;
            for (std::size_t shard = 0; shard < table_->leases_.size() && held < most; ++shard) {
                outbox_table::lease& each = table_->leases_.at(shard);
                if (each.owner != this && each.owner != nullptr && each.until > now) {
                    continue;
                }
                if (each.owner != this) {
                    each.owner = this;
                    ++each.fence;
                }
                each.until = now + length;
                fences_.at(shard) = each.fence;
                ++held;
            }
            return held;
        }
        [[nodiscard]] auto read(std::size_t most) -> std::vector<outbox_row> override {
            const std::lock_guard lock(table_->guard_);
            std::vector<outbox_row> some;
            for (const outbox_row& each : table_->rows_) {
                if (some.size() < most && holds(each)) {
                    some.push_back(each);
                }
            }
            return some;
        }
        void remove(std::span<const outbox_row> rows) override {
            if (dies_) {
                throw error(errc::unavailable, "it ends before it deletes");
            }
            const std::lock_guard lock(table_->guard_);
            for (const outbox_row& row : rows) {
                std::erase_if(table_->rows_, [&](const outbox_row& each) {
                    return each.sequence == row.sequence && holds(each);
                });
            }
        }
        void refuse(const outbox_row& row, std::string_view /*cause*/) override {
            remove(std::span(&row, 1));
        }
        void release() override {
            const std::lock_guard lock(table_->guard_);
            for (outbox_table::lease& each : table_->leases_) {
                if (each.owner == this) {
                    each.owner = nullptr;
                }
            }
        }
        void reset() noexcept override {}

    private:
        [[nodiscard]] auto holds(const outbox_row& row) const -> bool {
            const auto shard = static_cast<std::size_t>(row.shard);
            const outbox_table::lease& now = table_->leases_.at(shard);
            return now.owner == this && now.fence == fences_.at(shard);
        }

        outbox_table* table_;
        bool dies_;
        std::array<std::int64_t, shards> fences_{};
    };

    mutable std::mutex guard_;
    std::int64_t last_ = 0;
    std::vector<outbox_row> rows_; ///< by sequence
    std::array<lease, shards> leases_{};
};

} // namespace cobus::testing
