#pragma once

#include "../../detail/helper.hpp"
#include "assignment.hpp"
#include "client.hpp"
#include "topic_requests.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// The topics that a group wants, and which of them exist. librdkafka looks for a missing one each
/// second only while all are missing, and else at `topic.metadata.refresh.interval.ms`. So topics
/// of which nothing is assigned are asked for here, soon and then less often, on the helper thread.
class topic_search : public std::enable_shared_from_this<topic_search> {
public:
    using clock = std::chrono::steady_clock;

    explicit topic_search(stream_gate& gate) noexcept : gate_(&gate) {}

    /// Replaces the topics; what is known of one stays.
    void want(const std::vector<const std::string*>& topics, clock::time_point now) {
        const std::lock_guard lock(guard_);
        std::vector<entry> next;
        for (const std::string* each : topics) {
            const auto known = std::ranges::find(all_, each, &entry::name);
            next.push_back(known != all_.end() ? *known : entry{each, {}, false, false, false});
        }
        all_ = std::move(next);
        next_ = now + often; // most are assigned by then
        tries_ = 0;
    }
    /// librdkafka found that some topic is missing.
    void missed() noexcept {
        const std::lock_guard lock(guard_);
        for (entry& each : all_) {
            each.was_missing = each.was_missing || !each.exists;
        }
    }
    /// Asks if it is time to, and notes what is assigned. True: subscribe again, because a topic
    /// exists that librdkafka may have missed. `costly`: that would disturb the group, so only
    /// because of one that was missing indeed.
    [[nodiscard]] auto look(const std::shared_ptr<client>& of, const assignment& here,
                            clock::time_point now, bool costly) -> bool {
        if (here.size() == 0) {
            return false; // librdkafka joins first, and looks for topics itself meanwhile
        }
        const std::lock_guard lock(guard_);
        bool appeared = false;
        bool open = false;
        for (entry& each : all_) {
            each.here = is_here(each, here);
            if (each.exists && each.since == clock::time_point()) {
                each.since = now;
                appeared = appeared || (!each.here && (!costly || each.was_missing));
            }
            open = open || (!each.here && !each.exists);
        }
        if (open && !asking_ && now >= next_) {
            ask(of, now);
        }
        return appeared;
    }
    /// Whether `look` should be called before its time.
    [[nodiscard]] auto has_news() noexcept -> bool {
        return news_.load(std::memory_order_relaxed) &&
               news_.exchange(false, std::memory_order_acq_rel);
    }
    /// Whether each topic is assigned, in part, or has long been there for others of the group.
    [[nodiscard]] auto settled(const assignment& here, clock::time_point now) const -> bool {
        const std::lock_guard lock(guard_);
        return std::ranges::all_of(all_, [&](const entry& each) {
            return (each.since != clock::time_point() && now - each.since > others_have_it) ||
                   is_here(each, here);
        });
    }
    /// The gate is going.
    void silence() noexcept {
        const std::lock_guard lock(guard_);
        gate_ = nullptr;
    }

private:
    static constexpr std::chrono::seconds others_have_it{3};
    static constexpr int soon = 10; ///< tries, a second apart
    static constexpr std::chrono::milliseconds often{900};
    static constexpr std::chrono::milliseconds seldom{4900};

    struct entry {
        const std::string* name;
        clock::time_point since; ///< when it was known to exist without being assigned here
        bool exists;             ///< the cluster said so
        bool was_missing;        ///< the cluster said that it does not, before
        bool here;               ///< some of it is assigned
    };

    [[nodiscard]] static auto is_here(const entry& which, const assignment& here) noexcept -> bool {
        return std::ranges::any_of(
            here.all(), [&](const auto& part) { return part->where.topic == which.name; });
    }
    void ask(const std::shared_ptr<client>& of, clock::time_point now) {
        std::vector<const std::string*> names;
        for (const entry& each : all_) {
            if (!each.here && !each.exists) {
                names.push_back(each.name);
            }
        }
        next_ = now + (tries_ < soon ? often : seldom);
        tries_ = (std::min)(tries_ + 1, soon);
        asking_ =
            helper::run(helps::work, [self = shared_from_this(), of, names = std::move(names)] {
                constexpr int limit = 1000; // ms
                for (const std::string* each : names) {
                    self->answered(each, ask_for_topic(of->get(), each->c_str(), limit).code);
                }
                self->done();
            });
    }
    void answered(const std::string* name, rd_kafka_resp_err_t code) noexcept {
        const std::lock_guard lock(guard_);
        const auto which = std::ranges::find(all_, name, &entry::name);
        if (which != all_.end()) {
            which->exists = code == RD_KAFKA_RESP_ERR_NO_ERROR;
            which->was_missing =
                which->was_missing || code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        }
    }
    void done() noexcept {
        const std::lock_guard lock(guard_);
        asking_ = false;
        news_.store(true, std::memory_order_release);
        if (gate_ != nullptr) {
            gate_->wake();
        }
    }

    mutable std::mutex guard_;
    stream_gate* gate_;
    std::vector<entry> all_;
    clock::time_point next_{};
    int tries_ = 0;
    bool asking_ = false;
    std::atomic<bool> news_{false};
};

} // namespace cobus::detail::kafka
