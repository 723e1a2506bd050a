#pragma once

#include "../../detail/helper.hpp"
#include "../../detail/intern.hpp"
#include "../transport.hpp"
#include "leaders.hpp"

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// Asks the cluster, on a thread of its own that comes and goes, because it blocks: who leads the
/// partitions, and whether somebody answers on a route. Any thread.
class inquiry : public std::enable_shared_from_this<inquiry> {
public:
    using clock = std::chrono::steady_clock;

    [[nodiscard]] auto known() const noexcept -> const leaders& { return known_; }

    /// A topic is used whose leaders nobody asked for yet.
    void want(const std::string* topic) noexcept try {
        const std::lock_guard lock(guard_);
        unknown_.insert(topic);
    } catch (...) { // no memory: until there is trouble, nobody needs it
    }
    /// Anything, of anybody.
    void ask() noexcept {
        const std::lock_guard lock(guard_);
        wanted_ = true;
    }
    /// Who leads now is to be known. True: somebody has to `serve`.
    [[nodiscard]] auto renew() noexcept -> bool {
        const std::lock_guard lock(guard_);
        wanted_ = wanted_ || clock::now() >= answered_ + fresh;
        return wanted_ && !asking_;
    }
    /// As `transport::probe`, but somebody has to `serve` as long as it is under way.
    [[nodiscard]] auto probe(const topic_partition& where) noexcept -> probed try {
        const std::lock_guard lock(guard_);
        const auto [place, is_new] = probes_.try_emplace(where, stage::wanted);
        if (place->second < stage::answered) {
            return probed::under_way;
        }
        const bool well = place->second == stage::answered;
        probes_.erase(place);
        return well ? probed::answered : probed::unanswered;
    } catch (...) {
        return probed::unanswered;
    }

    /// Asks what is to be asked of a client, which `keep` keeps.
    void serve(rd_kafka_t* client, const std::shared_ptr<void>& keep) noexcept try {
        const std::lock_guard lock(guard_);
        if (!unknown_.empty() && clock::now() >= asked_ + fresh) {
            wanted_ = true;
        }
        if (wanted_ && !asking_) {
            asking_ = true;
            asked_ = clock::now();
            asking_ = helper::run(helps::ask, [self = shared_from_this(), client, keep] {
                self->ask_leaders(client);
            });
        }
        for (auto& [where, now] : probes_) {
            if (now == stage::wanted) {
                now = stage::running;
                if (!helper::run(helps::ask, [self = shared_from_this(), client, keep, at = where] {
                        self->ask_route(client, at);
                    })) {
                    now = stage::unanswered;
                }
            }
        }
    } catch (...) { // no memory: next time
    }

private:
    enum class stage : unsigned char { wanted, running, answered, unanswered };
    static constexpr int patience_ms = 500;
    static constexpr std::chrono::seconds fresh{1};

    void ask_leaders(rd_kafka_t* client) noexcept {
        const rd_kafka_metadata_t* found = nullptr;
        const bool well = rd_kafka_metadata(client, 0, nullptr, &found, patience_ms) ==
                          RD_KAFKA_RESP_ERR_NO_ERROR;
        try {
            for (int i = 0; well && i < found->topic_cnt; ++i) {
                learn(found->topics[i]);
            }
        } catch (...) { // no memory: the next answer
        }
        if (well) {
            rd_kafka_metadata_destroy(found);
        }
        const std::lock_guard lock(guard_);
        asking_ = false;
        if (well) {
            wanted_ = false;
            answered_ = clock::now();
        }
    }
    void learn(const rd_kafka_metadata_topic_t& topic) {
        if (topic.partition_cnt <= 0) {
            return;
        }
        std::vector<leaders::partition> all(static_cast<std::size_t>(topic.partition_cnt));
        for (int i = 0; i < topic.partition_cnt; ++i) {
            const rd_kafka_metadata_partition_t& each = topic.partitions[i];
            const auto index = static_cast<std::size_t>(each.id);
            if (index < all.size()) {
                all[index] = {each.leader, static_cast<std::size_t>(each.replica_cnt),
                              std::vector<std::int32_t>(each.isrs, each.isrs + each.isr_cnt)};
            }
        }
        const std::string* name = intern(topic.topic);
        known_.know(name, std::move(all));
        const std::lock_guard lock(guard_);
        unknown_.erase(name);
    }
    /// The broker that leads the partition is the one that knows its offsets.
    void ask_route(rd_kafka_t* client, const topic_partition& where) noexcept {
        std::int64_t low = 0;
        std::int64_t high = 0;
        const std::int32_t partition = where.partition < 0 ? 0 : where.partition;
        const bool well =
            rd_kafka_query_watermark_offsets(client, where.topic->c_str(), partition, &low, &high,
                                             patience_ms) == RD_KAFKA_RESP_ERR_NO_ERROR;
        const std::lock_guard lock(guard_);
        const auto found = probes_.find(where);
        if (found != probes_.end()) {
            found->second = well ? stage::answered : stage::unanswered;
        }
    }

    leaders known_;
    std::mutex guard_;
    bool wanted_ = false;
    bool asking_ = false;
    clock::time_point asked_{};
    clock::time_point answered_{};
    std::set<const std::string*> unknown_;
    std::map<topic_partition, stage> probes_;
};

} // namespace cobus::detail::kafka
