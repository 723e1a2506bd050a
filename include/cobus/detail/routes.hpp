#pragma once

#include "../log.hpp"
#include "../settings.hpp"
#include "contract_info.hpp"
#include "intern.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace cobus::detail {

/// What a bus knows of an event type: its contract's words under this bus's settings.
struct route {
    const std::string* topic = nullptr; ///< null when the event says it
    wire how = wire::binary();
    policy when_away = policy::deliver;
};

/// Routes by contract, made once each. Any thread; a lookup is two loads.
class route_table {
public:
    explicit route_table(const settings& how) : settings_(&how) {}
    route_table(const route_table&) = delete;
    auto operator=(const route_table&) -> route_table& = delete;
    ~route_table() {
        for (auto& each : blocks_) {
            const std::unique_ptr<block> owned(each.load(std::memory_order_relaxed));
            if (owned) {
                for (auto& slot : *owned) {
                    const std::unique_ptr<const route> gone(slot.load(std::memory_order_relaxed));
                }
            }
        }
    }

    [[nodiscard]] auto find(const contract_info& info) -> const route& {
        if (info.index < per_block * most_blocks) {
            block* const where =
                blocks_[info.index / per_block].load(std::memory_order_acquire); // NOLINT: below
            const route* const known =
                where != nullptr
                    ? (*where)[info.index % per_block].load(std::memory_order_acquire) // NOLINT
                    : nullptr;
            if (known != nullptr) {
                return *known;
            }
        }
        return make(info);
    }

    /// The topic that this bus uses for a contract's one.
    [[nodiscard]] auto topic(std::string_view of_contract) const -> const std::string* {
        return intern(settings_->topic(of_contract));
    }

private:
    static constexpr std::size_t per_block = 64;
    static constexpr std::size_t most_blocks = 1024;
    using block = std::array<std::atomic<const route*>, per_block>;

    [[gnu::noinline]] auto make(const contract_info& info) -> const route& {
        std::atomic<const route*>& slot = block_of(info.index / per_block)[info.index % per_block];
        auto made = std::make_unique<const route>(describe(info));
        const route* expected = nullptr;
        if (slot.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) {
            const route& known = *made.release();
            warn_of_mixed(known);
            return known;
        }
        return *expected; // another thread was first
    }
    /// Once for each topic. What follows from it is in docs/degradation.md.
    void warn_of_mixed(const route& made) noexcept try {
        if (made.topic == nullptr || !settings_->kafka_enabled()) {
            return;
        }
        {
            const std::lock_guard lock(guard_);
            const auto [place, is_new] = policies_.try_emplace(made.topic, made.when_away);
            if (is_new || !place->second || *place->second == made.when_away) {
                return;
            }
            place->second.reset();
        }
        write_log(settings_->logger(), log_level::warning,
                  "events of topic " + *made.topic +
                      " have different policies for when Kafka is away: they pass each other then, "
                      "and the first of them decides how long Kafka's client tries them; give one "
                      "topic one policy");
    } catch (...) { // no memory for a warning
    }
    [[nodiscard]] auto describe(const contract_info& info) const -> route {
        route made;
        made.topic = info.topic.empty() ? nullptr : topic(info.topic);
        made.how = info.how.value_or(settings_->wire());
        made.when_away = info.when_away.value_or(settings_->when_away());
        return made;
    }
    [[nodiscard]] auto block_of(std::size_t index) -> block& {
        std::atomic<block*>& slot = blocks_.at(index);
        if (block* known = slot.load(std::memory_order_acquire)) {
            return *known;
        }
        auto made = std::make_unique<block>();
        block* expected = nullptr;
        if (slot.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) {
            return *made.release();
        }
        return *expected;
    }

    const settings* settings_;
    std::mutex guard_;
    std::unordered_map<const std::string*, std::optional<policy>> policies_; ///< or none: several
    std::array<std::atomic<block*>, most_blocks> blocks_{};
};

} // namespace cobus::detail
