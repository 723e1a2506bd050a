#pragma once

#include "../../detail/murmur2.hpp"
#include "../transport.hpp"
#include "broker_clocks.hpp"
#include "error.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// Who leads which partition, as the cluster said last.
class leaders {
public:
    using clock = std::chrono::steady_clock;

    struct partition {
        std::int32_t leader = -1;
        std::size_t replicas = 0;
        std::vector<std::int32_t> in_sync{}; ///< the brokers of those in sync
    };

    void know(const std::string* topic, std::vector<partition> all) {
        const std::lock_guard lock(guard_);
        all_[topic] = std::move(all);
    }
    [[nodiscard]] auto partitions(const std::string* topic) const noexcept -> std::size_t {
        const std::lock_guard lock(guard_);
        const auto found = all_.find(topic);
        return found != all_.end() ? found->second.size() : 0;
    }
    [[nodiscard]] auto of(const std::string* topic) const -> std::vector<partition> {
        const std::lock_guard lock(guard_);
        const auto found = all_.find(topic);
        return found != all_.end() ? found->second : std::vector<partition>();
    }

private:
    mutable std::mutex guard_;
    std::unordered_map<const std::string*, std::vector<partition>> all_;
};

/// Decides which routes are away. Pure: is handed what is known, and `now`.
///
/// A route is away when something waits on it for the decision time, and meanwhile nothing at all
/// came from the broker that leads it; or it has no leader; or it lacks replicas and nothing goes
/// on there. It lacks one as soon as that one's broker fell silent: its leader acknowledges nothing
/// until the cluster has noticed, which takes it much longer. When no broker answers, it is not the
/// route that is away.
class route_judge {
public:
    using clock = std::chrono::steady_clock;

    route_judge(const broker_clocks& brokers, std::chrono::milliseconds decision) noexcept
        : brokers_(&brokers), decision_(decision) {}

    void judge(const waiting_route& route, std::span<const leaders::partition> known,
               clock::time_point now, std::vector<route_trouble>& away) const {
        if (route.waits < decision_) {
            return;
        }
        if (route.where.partition >= 0) {
            const auto index = static_cast<std::size_t>(route.where.partition);
            if (index < known.size()) {
                add(route.where, trouble_of(route, known[index], now), known[index],
                    silent_replica(known[index], now), away);
            }
            return;
        }
        // It is with one of them, nobody knows which: those whose brokers owe an answer.
        for (std::size_t i = 0; i < known.size(); ++i) {
            const topic_partition where{route.where.topic, static_cast<std::int32_t>(i)};
            if (known[i].leader < 0) {
                add(where, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, known[i], -1, away);
            } else if (brokers_->silent(known[i].leader, decision_, now)) {
                add(where, RD_KAFKA_RESP_ERR__TIMED_OUT, known[i], -1, away);
            }
        }
    }

private:
    static constexpr std::chrono::milliseconds stands_still{1000};

    [[nodiscard]] auto trouble_of(const waiting_route& route, const leaders::partition& known,
                                  clock::time_point now) const noexcept
        -> std::optional<rd_kafka_resp_err_t> {
        if (known.leader < 0) {
            return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
        }
        if (brokers_->quiet(known.leader, decision_, now)) {
            return RD_KAFKA_RESP_ERR__TIMED_OUT;
        }
        if (route.stuck >= stands_still && (lacks_some(known) || silent_replica(known, now) >= 0)) {
            return RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
        }
        return std::nullopt;
    }
    [[nodiscard]] static auto lacks_some(const leaders::partition& known) noexcept -> bool {
        return known.in_sync.size() < known.replicas;
    }
    /// The broker of a replica in sync that owes an answer or cannot be reached, or −1.
    [[nodiscard]] auto silent_replica(const leaders::partition& known,
                                      clock::time_point now) const noexcept -> std::int32_t {
        for (const std::int32_t broker : known.in_sync) {
            if (broker != known.leader && brokers_->silent(broker, decision_, now)) {
                return broker;
            }
        }
        return -1;
    }
    void add(const topic_partition& where, std::optional<rd_kafka_resp_err_t> cause,
             const leaders::partition& known, std::int32_t silent,
             std::vector<route_trouble>& away) const {
        if (!cause) {
            return;
        }
        std::string why;
        switch (*cause) {
        case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
            why = "it has no leader";
            break;
        case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
            if (!lacks_some(known)) {
                why = "nothing came from broker " + std::to_string(silent) +
                      ", which has a replica, and nothing is acknowledged";
                break;
            }
            why = std::to_string(known.in_sync.size()) + " of " + std::to_string(known.replicas) +
                  " replicas are in sync, and nothing is acknowledged";
            break;
        default:
            why = "nothing came from broker " + std::to_string(known.leader) + " within " +
                  std::to_string(decision_.count()) + " ms";
            break;
        }
        away.push_back({where, code_of(*cause), std::move(why)});
    }

    const broker_clocks* brokers_;
    std::chrono::milliseconds decision_;
};

} // namespace cobus::detail::kafka
