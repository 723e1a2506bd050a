#pragma once

#include "../../contract.hpp"
#include "handle.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <string>

namespace cobus::detail::kafka {

/// Of how long a topic's messages are tried: as long as the client's others.
inline constexpr std::chrono::milliseconds client_default{0};
/// For ever: a message that timed out would come back behind younger ones of its key.
inline constexpr std::chrono::milliseconds no_limit{-1};

/// How long the client tries messages, by their policy.
struct keep_limits {
    std::chrono::milliseconds wait_limit; ///< of policy `wait`
    bool spool_behind;                    ///< else nobody answers publishers meanwhile
    /// Of a transaction, beyond which librdkafka takes no limit.
    std::chrono::milliseconds longest = (std::chrono::milliseconds::max)();

    [[nodiscard]] auto of(policy what) const noexcept -> std::chrono::milliseconds {
        return what == policy::wait           ? (std::min)(wait_limit, longest)
               : spool_behind && spools(what) ? no_limit
                                              : client_default;
    }
};

/// librdkafka's topic handles, one for each name. Making one asks for the topic's metadata at once;
/// producing by name to an unknown topic would wait for a timer of a second. Reading takes no lock
/// for the first 256 topics. Must die before the client.
class topics {
public:
    /// The handle, or null when librdkafka refuses the name. `keep`: how long its messages are
    /// tried, or `client_default`; the first use decides, and `made` tells of it.
    [[nodiscard]] auto find(rd_kafka_t* client, const std::string* name,
                            std::chrono::milliseconds keep, bool& made) -> rd_kafka_topic_t* {
        std::size_t at = start_of(name);
        for (std::size_t tries = 0; tries < longest; ++tries, at = (at + 1) % slots_.size()) {
            const std::string* there = slots_[at].name.load(std::memory_order_acquire);
            if (there == name) {
                return slots_[at].handle;
            }
            if (there == nullptr) {
                break;
            }
        }
        return make(client, name, keep, made);
    }
    void clear() noexcept {
        const std::lock_guard lock(guard_);
        for (slot& each : slots_) {
            each.name.store(nullptr, std::memory_order_relaxed);
        }
        all_.clear();
    }

private:
    static constexpr std::size_t longest = 8;

    struct slot {
        std::atomic<const std::string*> name{nullptr};
        rd_kafka_topic_t* handle = nullptr;
    };

    [[nodiscard]] auto start_of(const std::string* name) const noexcept -> std::size_t {
        return (reinterpret_cast<std::uintptr_t>(name) >> 5U) * 0x9E3779B1U % slots_.size();
    }
    auto make(rd_kafka_t* client, const std::string* name, std::chrono::milliseconds keep,
              bool& made) -> rd_kafka_topic_t* {
        const std::lock_guard lock(guard_);
        const auto [place, is_new] = all_.try_emplace(name);
        if (is_new) {
            place->second.reset(rd_kafka_topic_new(client, name->c_str(), conf(client, keep)));
            if (!place->second) {
                all_.erase(place);
                return nullptr;
            }
            made = true;
            remember(name, place->second.get());
        }
        return place->second.get();
    }
    /// Null for the client's own, which librdkafka takes then.
    [[nodiscard]] static auto conf(rd_kafka_t* client, std::chrono::milliseconds keep)
        -> rd_kafka_topic_conf_t* {
        if (keep == client_default) {
            return nullptr;
        }
        rd_kafka_topic_conf_t* own = rd_kafka_default_topic_conf_dup(client);
        const auto time = keep == no_limit ? std::chrono::milliseconds(0) : keep;
        const std::string limit = std::to_string((std::min)(
            time.count(), std::chrono::milliseconds::rep{(std::numeric_limits<int>::max)()}));
        rd_kafka_topic_conf_set(own, "message.timeout.ms", limit.c_str(), nullptr, 0);
        return own;
    }
    void remember(const std::string* name, rd_kafka_topic_t* handle) noexcept {
        std::size_t at = start_of(name);
        for (std::size_t tries = 0; tries < longest; ++tries, at = (at + 1) % slots_.size()) {
            if (slots_[at].name.load(std::memory_order_relaxed) == nullptr) {
                slots_[at].handle = handle;
                slots_[at].name.store(name, std::memory_order_release);
                return;
            }
        }
    }

    std::array<slot, 256> slots_;
    std::mutex guard_;
    std::map<const std::string*, topic_ptr> all_;
};

} // namespace cobus::detail::kafka
