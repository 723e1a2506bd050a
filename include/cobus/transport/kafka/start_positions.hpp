#pragma once

#include "../../detail/helper.hpp"
#include "../../detail/intern.hpp"
#include "../../dispatch/offset_map.hpp"
#include "../transport.hpp"
#include "assignment.hpp"
#include "client.hpp"
#include "companions.hpp"
#include "error.hpp"
#include "handle.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// Where a group without a committed position begins, by `auto.offset.reset`; nothing when that is
/// an error.
[[nodiscard]] inline auto first_position(const std::string& reset) -> std::optional<std::int64_t> {
    if (reset == "error") {
        return std::nullopt;
    }
    const bool end = reset == "latest" || reset == "largest" || reset == "end";
    return end ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
}

/// The partitions of a new assignment with the positions to begin at. Where the group has none yet,
/// it is looked up and committed before the first message is read: from then on nothing that is
/// published is missed, also by a group that starts at the latest and crashes before it commits.
///
/// librdkafka only has blocking calls for this, so the helper thread makes them, again and again
/// while the cluster cannot answer: a coordinator that is away or still loads has lost nothing, and
/// librdkafka would begin where a new group begins. What is refused for good is left to librdkafka.
class start_positions : public std::enable_shared_from_this<start_positions> {
public:
    start_positions(partition_list_ptr partitions, stream_gate& gate) noexcept
        : partitions_(std::move(partitions)), gate_(&gate) {}

    /// Those that go with these partitions are to be read too; before `find`.
    void follow(std::vector<companion> wanted, bool create_topics) noexcept {
        companions_ = companions(std::move(wanted), create_topics);
    }
    /// Begins; the gate is woken when it is `known`. `first`: where a group without a position
    /// begins, if that is to be looked up.
    void find(std::shared_ptr<client> of, std::optional<std::int64_t> first) noexcept {
        const bool runs = helper::run(
            helps::work, [self = shared_from_this(), of = std::move(of), first]() mutable {
                if (self->look_up(*of, first) || !self->is_wanted()) {
                    self->tell();
                    return;
                }
                std::this_thread::sleep_for(pause);
                self->find(std::move(of), first); // behind what others want of the thread
            });
        if (!runs) {
            tell();
        }
    }
    [[nodiscard]] auto known() const noexcept -> bool {
        return known_.load(std::memory_order_acquire);
    }
    /// Once it is known.
    [[nodiscard]] auto partitions() const noexcept -> const rd_kafka_topic_partition_list_t* {
        return partitions_.get();
    }
    /// Once it is known: what the group committed with metadata.
    [[nodiscard]] auto committed() const noexcept -> std::span<const position> {
        return committed_;
    }
    /// What is not known by now is not wanted any more.
    void hurry() noexcept { hurried_.store(true, std::memory_order_relaxed); }
    /// The gate is going.
    void silence() noexcept {
        hurry();
        const std::lock_guard lock(guard_);
        gate_ = nullptr;
    }

private:
    static constexpr int limit_ms = 1000; ///< of one call; others wait for the thread
    static constexpr std::chrono::milliseconds pause{50};

    /// False: to be tried again.
    [[nodiscard]] auto look_up(client& of, std::optional<std::int64_t> first) noexcept -> bool {
        if (!add_companions(of)) {
            return false;
        }
        const partition_list_ptr all(rd_kafka_topic_partition_list_copy(partitions_.get()));
        if (const auto code = rd_kafka_committed(of.get(), all.get(), limit_ms);
            code != RD_KAFKA_RESP_ERR_NO_ERROR || any_passes(*all)) {
            return !passes(code) && !any_passes(*all);
        }
        committed_.clear();
        const partition_list_ptr fresh = never_committed(of, *all, first);
        if (fresh->cnt == 0) {
            return true;
        }
        if (const auto code = rd_kafka_offsets_for_times(of.get(), fresh.get(), limit_ms);
            code != RD_KAFKA_RESP_ERR_NO_ERROR || any_passes(*fresh)) {
            return !passes(code) && !any_passes(*fresh);
        }
        begin_at(of, *fresh);
        return true;
    }
    [[nodiscard]] auto add_companions(client& of) noexcept -> bool {
        try {
            return companions_.add_to(*partitions_, of);
        } catch (...) { // no memory: long retries become dead letters
            of.watch().log(log_level::debug, "no memory to read retry topics");
            return true;
        }
    }
    void begin_at(client& of, const rd_kafka_topic_partition_list_t& fresh) noexcept {
        const partition_list_ptr found(rd_kafka_topic_partition_list_new(fresh.cnt));
        for (const auto& each : std::span(fresh.elems, static_cast<std::size_t>(fresh.cnt))) {
            if (each.err == RD_KAFKA_RESP_ERR_NO_ERROR && each.offset >= 0) {
                rd_kafka_topic_partition_list_add(found.get(), each.topic, each.partition)->offset =
                    each.offset;
                rd_kafka_topic_partition_list_set_offset(partitions_.get(), each.topic,
                                                         each.partition, each.offset);
            }
        }
        if (found->cnt > 0) {
            commit(of, found.get());
        }
    }
    /// Those that the group has no position for, with what to ask for in its place.
    [[nodiscard]] auto never_committed(client& of, const rd_kafka_topic_partition_list_t& all,
                                       std::optional<std::int64_t> first) noexcept
        -> partition_list_ptr {
        partition_list_ptr fresh(rd_kafka_topic_partition_list_new(all.cnt));
        for (const auto& each : std::span(all.elems, static_cast<std::size_t>(all.cnt))) {
            if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
                continue;
            }
            if (each.offset < 0) {
                if (const auto begin = begin_of(each.topic, first)) {
                    rd_kafka_topic_partition_list_add(fresh.get(), each.topic, each.partition)
                        ->offset = *begin;
                }
                continue;
            }
            rd_kafka_topic_partition_list_set_offset(partitions_.get(), each.topic, each.partition,
                                                     each.offset);
            if (each.metadata_size > 0) {
                remember(of, each);
            }
        }
        return fresh;
    }
    /// Of a group without a position.
    [[nodiscard]] auto begin_of(const char* topic, std::optional<std::int64_t> first) const noexcept
        -> std::optional<std::int64_t> {
        return companions_.contains(topic) ? RD_KAFKA_OFFSET_BEGINNING : first;
    }
    [[nodiscard]] static auto any_passes(const rd_kafka_topic_partition_list_t& of) noexcept
        -> bool {
        return std::ranges::any_of(std::span(of.elems, static_cast<std::size_t>(of.cnt)),
                                   [](const auto& each) { return passes(each.err); });
    }
    [[nodiscard]] auto is_wanted() const noexcept -> bool {
        return !hurried_.load(std::memory_order_relaxed);
    }
    /// Keeps the metadata, unless it tells of offsets that the partition does not have: then the
    /// topic was made anew, and what it has was never handled.
    void remember(client& of, const rd_kafka_topic_partition_t& from) noexcept {
        try {
            position made;
            made.metadata.assign(static_cast<const char*>(from.metadata), from.metadata_size);
            const auto runs = read_offset_map(made.metadata);
            std::int64_t low = -1;
            std::int64_t high = -1;
            if (runs &&
                rd_kafka_query_watermark_offsets(of.get(), from.topic, from.partition, &low, &high,
                                                 limit_ms) == RD_KAFKA_RESP_ERR_NO_ERROR &&
                from.offset >= low && from.offset + length_of(*runs) <= high) {
                made.where = {intern(from.topic), from.partition};
                made.offset = from.offset;
                committed_.push_back(std::move(made));
            }
        } catch (...) { // no memory: what was finished is handled again
            of.watch().log(log_level::debug, "no memory to remember what was finished");
        }
    }
    /// Not librdkafka's own waiting commit, which may wait for ever.
    static void commit(client& of, const rd_kafka_topic_partition_list_t* positions) noexcept {
        const queue_ptr answers(rd_kafka_queue_new(of.get()));
        rd_kafka_resp_err_t code =
            rd_kafka_commit_queue(of.get(), positions, answers.get(), nullptr, nullptr);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            const event_ptr answer(rd_kafka_queue_poll(answers.get(), limit_ms));
            code = answer ? rd_kafka_event_error(answer.get()) : RD_KAFKA_RESP_ERR__TIMED_OUT;
        }
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            of.watch().log(log_level::debug, "the group's first position was not committed: " +
                                                 std::string(rd_kafka_err2str(code)));
        }
    }
    void tell() noexcept {
        const std::lock_guard lock(guard_); // until the wake is over, nobody lets the gate go
        known_.store(true, std::memory_order_release);
        if (gate_ != nullptr) {
            gate_->wake();
        }
    }

    partition_list_ptr partitions_;
    companions companions_{{}, false};
    std::vector<position> committed_;
    std::atomic<bool> known_{false};
    std::atomic<bool> hurried_{false};
    std::mutex guard_;
    stream_gate* gate_;
};

} // namespace cobus::detail::kafka
