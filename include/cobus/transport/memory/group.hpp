#pragma once

#include "../../detail/wake_gate.hpp"
#include "../transport.hpp"
#include "topic.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace cobus::detail {

/// One stream as its group sees it. The broker's lock guards it, but for the atomics.
struct memory_member {
    memory_member(waker& ready, start_at begin) noexcept : gate(ready), from(begin) {}

    [[nodiscard]] auto wants(const std::string* topic) const noexcept -> bool {
        return std::binary_search(topics.begin(), topics.end(), topic, std::less<>());
    }
    [[nodiscard]] auto takes(const std::string* follower) const noexcept -> bool {
        return std::any_of(companions.begin(), companions.end(),
                           [&](const companion& each) { return each.topic == follower; });
    }
    void call() noexcept {
        attention.store(true, std::memory_order_seq_cst);
        to_wake = true;
    }

    wake_gate gate;
    start_at from;
    std::vector<const std::string*> topics; ///< sorted by address
    std::vector<companion> companions;
    std::atomic<bool> attention{false}; ///< the next poll must look for signals
    bool to_wake = false;
    bool to_greet = false; ///< it changed its topics, so `assigned` comes even when empty
    std::size_t load = 0;
};

/// One partition as a group sees it.
struct memory_share {
    enum class place : unsigned char {
        vacant,  ///< nobody's
        granted, ///< the owner's, who was not told yet
        owned,   ///< the owner was told
        leaving, ///< the owner must be told that it goes
        leaves,  ///< the owner was told, and has not settled
    };

    memory_partition* partition = nullptr;
    memory_cursor* cursor = nullptr;
    memory_member* owner = nullptr;
    memory_member* target = nullptr;
    place at = place::vacant;
    bool to_tidy = false;
    memory_share* leader = nullptr; ///< it goes where that one goes

    /// Where its group begins with it, for who gets it.
    [[nodiscard]] auto begin() const noexcept -> start_at {
        return leader != nullptr ? start_at::earliest : target->from;
    }
};

/// A consumer group: who gets which partition. Sticky and cooperative: an owner keeps what it has
/// unless another has two less, and only what moves is revoked. The broker's lock guards it.
class memory_group {
public:
    using place = memory_share::place;

    [[nodiscard]] auto members() noexcept -> std::vector<memory_member*>& { return members_; }
    [[nodiscard]] auto shares() noexcept -> std::map<topic_partition, memory_share>& {
        return shares_;
    }
    [[nodiscard]] auto next_epoch() noexcept -> std::uint32_t { return ++epoch_; }

    /// May throw `std::bad_alloc`.
    void know(memory_topic& topic) {
        for (std::size_t i = 0; i < topic.size(); ++i) {
            memory_share& share = shares_[topic[i].where()];
            if (share.partition == nullptr) {
                share.cursor = &topic[i].cursor(this);
                share.partition = &topic[i];
            }
        }
    }

    /// The partitions of `topic` follow those of `leader`, which is known. May throw
    /// `std::bad_alloc`.
    void know(memory_topic& topic, memory_topic& leader) {
        know(topic);
        for (std::size_t i = 0; i < (std::min)(topic.size(), leader.size()); ++i) {
            shares_[topic[i].where()].leader = &shares_[leader[i].where()];
        }
    }

    /// Frees all that a member has, as after a crash.
    void expel(memory_member& gone) noexcept {
        std::erase(members_, &gone);
        for (auto& [where, share] : shares_) {
            if (share.owner == &gone) {
                release(share);
            }
        }
        rebalance();
    }
    void release(memory_share& share) noexcept {
        (void)share.partition->own(*share.cursor, nullptr, 0, start_at::earliest);
        share.owner = nullptr;
        share.at = place::vacant;
        share.to_tidy = true;
    }

    void rebalance() noexcept {
        keep();
        spread();
        while (level()) {
        }
        follow();
        apply();
    }

private:
    [[nodiscard]] static auto stays(const memory_share& share) noexcept -> bool {
        return (share.at == place::granted || share.at == place::owned) &&
               share.owner->wants(share.partition->where().topic);
    }
    [[nodiscard]] auto lightest(const std::string* topic) const noexcept -> memory_member* {
        memory_member* best = nullptr;
        for (memory_member* each : members_) {
            if (each->wants(topic) && (best == nullptr || each->load < best->load)) {
                best = each;
            }
        }
        return best;
    }
    /// Everybody keeps what it has and still wants.
    void keep() noexcept {
        for (memory_member* each : members_) {
            each->load = 0;
        }
        for (auto& [where, share] : shares_) {
            share.target = share.leader == nullptr && stays(share) ? share.owner : nullptr;
            if (share.target != nullptr) {
                ++share.target->load;
            }
        }
    }
    /// The rest goes to who has least.
    void spread() noexcept {
        for (auto& [where, share] : shares_) {
            if (share.target == nullptr && share.leader == nullptr) {
                share.target = lightest(where.topic);
                if (share.target != nullptr) {
                    ++share.target->load;
                }
            }
        }
    }
    /// Moves from who has at least two more than somebody else. True: something moved.
    auto level() noexcept -> bool {
        bool moved = false;
        for (auto each = shares_.rbegin(); each != shares_.rend(); ++each) {
            memory_share& share = each->second;
            if (share.target == nullptr || share.leader != nullptr) {
                continue;
            }
            memory_member* other = lightest(each->first.topic);
            if (share.target->load >= other->load + 2) {
                --share.target->load;
                ++other->load;
                share.target = other;
                moved = true;
            }
        }
        return moved;
    }
    void follow() noexcept {
        for (auto& [where, share] : shares_) {
            if (share.leader != nullptr) {
                memory_member* with = share.leader->target;
                share.target = with != nullptr && with->takes(where.topic) ? with : nullptr;
            }
        }
    }
    void apply() noexcept {
        for (auto& [where, share] : shares_) {
            const bool wanted = share.target != nullptr;
            if (wanted != share.cursor->active) {
                share.partition->activate(*share.cursor, wanted,
                                          wanted ? share.begin() : start_at::earliest);
                share.to_tidy = true;
            }
            if ((share.at == place::vacant || share.at == place::granted) &&
                share.owner != share.target) {
                share.owner = share.target;
                share.at = wanted ? place::granted : place::vacant;
                if (wanted) {
                    share.owner->call();
                }
            } else if (share.at == place::owned && share.owner != share.target) {
                share.at = place::leaving;
                share.owner->call();
            } else if (share.at == place::leaving && share.owner == share.target) {
                share.at = place::owned; // it was not told yet
            }
        }
    }

    std::vector<memory_member*> members_;
    std::map<topic_partition, memory_share> shares_;
    std::uint32_t epoch_ = 0;
};

} // namespace cobus::detail
