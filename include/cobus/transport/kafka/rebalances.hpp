#pragma once

#include "../../detail/intern.hpp"
#include "../transport.hpp"
#include "assignment.hpp"
#include "client.hpp"
#include "handle.hpp"
#include "start_positions.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// The rebalances of one consumer that wait for the dispatcher's answer, in the order of arrival.
/// librdkafka waits too: it goes on when it is told to assign or to give up.
class rebalances {
public:
    /// `first`: where a group begins that has no position yet, if that is to be looked up.
    rebalances(std::shared_ptr<client> of, assignment& partitions, stream_gate& gate,
               std::optional<std::int64_t> first, bool create_topics) noexcept
        : client_(std::move(of)),
          partitions_(&partitions),
          gate_(&gate),
          first_(first),
          creates_(create_topics) {}
    rebalances(const rebalances&) = delete;
    auto operator=(const rebalances&) -> rebalances& = delete;
    ~rebalances() { silence(); }

    /// The gate is not woken any more.
    void silence() noexcept {
        for (const rebalance& each : waiting_) {
            if (each.start) {
                each.start->silence();
            }
        }
    }

    /// The stream closes: where partitions begin matters no more, and librdkafka may not say it any
    /// more.
    void hurry() noexcept {
        hurried_ = true;
        for (const rebalance& each : waiting_) {
            if (each.start) {
                each.start->hurry();
            }
        }
    }

    /// What is assigned from now on brings those along.
    void follow(const std::vector<companion>& wanted) {
        companions_ = wanted;
        for (const companion& each : wanted) {
            if (std::ranges::find(ever_, each) == ever_.end()) {
                ever_.push_back(each);
            }
        }
    }

    void add(event_ptr event) {
        rebalance made;
        made.epoch = ++epoch_;
        client_->member().rebalanced();
        if (rd_kafka_event_error(event.get()) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
            made.what = signal::assigned;
            client_->assigned();
        } else {
            const bool lost = rd_kafka_assignment_lost(client_->get()) != 0;
            made.what = lost ? signal::lost : signal::revoked;
        }
        if (const auto* list = rd_kafka_event_topic_partition_list(event.get())) {
            made.partitions = partitions_of(*list);
        }
        if (made.what == signal::assigned && !made.partitions.empty() && !hurried_ &&
            (first_ || !companions_.empty())) {
            made.start = std::make_shared<start_positions>(
                partition_list_ptr(rd_kafka_topic_partition_list_copy(
                    rd_kafka_event_topic_partition_list(event.get()))),
                *gate_);
            made.start->follow(companions_, creates_);
            made.start->find(client_, first_);
        }
        made.event = std::move(event);
        waiting_.push_back(std::move(made));
    }

    /// Those that change nothing: an answer is due nevertheless.
    void answer_empty() {
        while (!waiting_.empty() && waiting_.front().partitions.empty()) {
            apply(waiting_.front());
            drop_first();
        }
    }

    /// The one that the dispatcher has to hear of, once.
    [[nodiscard]] auto next() -> polled {
        answer_empty();
        polled what;
        if (waiting_.empty() || waiting_.front().told || !waiting_.front().may_be_told()) {
            return what;
        }
        rebalance& first = waiting_.front();
        if (first.what != signal::assigned) {
            add_companions(first);
            stop_reading(first);
        } else if (first.start) {
            first.partitions = partitions_of(*first.start->partitions());
        }
        first.told = true;
        what.what = first.what;
        what.epoch = first.epoch;
        what.partitions = first.partitions;
        if (first.start) {
            what.committed = first.start->committed();
        }
        return what;
    }

    /// librdkafka waits for an answer.
    [[nodiscard]] auto waiting() const noexcept -> bool { return !waiting_.empty(); }

    /// The dispatcher's answer; one to another rebalance than the first is too late.
    void settle(std::uint32_t epoch) noexcept {
        if (waiting_.empty() || waiting_.front().epoch != epoch) {
            return;
        }
        apply(waiting_.front());
        settled_.swap(waiting_.front().partitions); // the dispatcher may read them until it polls
        drop_first();
    }

private:
    struct rebalance {
        event_ptr event;
        signal what = signal::none;
        std::uint32_t epoch = 0;
        bool told = false;
        std::vector<topic_partition> partitions;
        std::shared_ptr<start_positions> start; ///< of an assignment
        partition_list_ptr going;               ///< of the others, with companions

        [[nodiscard]] auto may_be_told() const noexcept -> bool { return !start || start->known(); }
        [[nodiscard]] auto list() const noexcept -> const rd_kafka_topic_partition_list_t* {
            return start   ? start->partitions()
                   : going ? going.get()
                           : rd_kafka_event_topic_partition_list(event.get());
        }
    };

    [[nodiscard]] static auto partitions_of(const rd_kafka_topic_partition_list_t& list)
        -> std::vector<topic_partition> {
        std::vector<topic_partition> found;
        for (const auto& each : std::span(list.elems, static_cast<std::size_t>(list.cnt))) {
            found.push_back({intern(each.topic), each.partition});
        }
        return found;
    }
    /// What goes takes those along that librdkafka does not know to belong to it.
    void add_companions(rebalance& of) const {
        const auto* const told = rd_kafka_event_topic_partition_list(of.event.get());
        if (ever_.empty() || told == nullptr) {
            return;
        }
        of.partitions = partitions_of(*told);
        of.going.reset(rd_kafka_topic_partition_list_copy(told));
        for (const auto& each : std::span(told->elems, static_cast<std::size_t>(told->cnt))) {
            for (const companion& one : ever_) {
                const topic_partition follower{one.topic, each.partition};
                if (*one.of == each.topic && partitions_->find(follower) != nullptr) {
                    of.partitions.push_back(follower);
                    rd_kafka_topic_partition_list_add(of.going.get(), one.topic->c_str(),
                                                      each.partition);
                }
            }
        }
    }
    void drop_first() noexcept {
        if (waiting_.front().start) {
            waiting_.front().start->silence(); // the gate may go before the helper thread is done
        }
        waiting_.pop_front();
    }
    void stop_reading(const rebalance& of) noexcept {
        for (const topic_partition& each : of.partitions) {
            if (source* found = partitions_->find(each)) {
                found->leaving = true;
            }
        }
    }

    void apply(const rebalance& next) noexcept {
        const bool assign = next.what == signal::assigned;
        if (assign) {
            for (const topic_partition& each : next.partitions) {
                partitions_->add(each, next.epoch);
            }
            begin_at(*next.list());
        }
        const rd_kafka_resp_err_t code = tell(assign, next.list());
        if (!assign) {
            for (const topic_partition& each : next.partitions) {
                partitions_->remove(each);
            }
        }
        // When the client was thrown out meanwhile, this is as it must be.
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            client_->watch().log(log_level::debug, rd_kafka_err2str(code));
        }
    }
    void begin_at(const rd_kafka_topic_partition_list_t& list) noexcept {
        for (const auto& each : partitions_->all()) {
            if (const auto* found = rd_kafka_topic_partition_list_find(
                    &list, each->where.topic->c_str(), each->where.partition)) {
                each->place = found->offset;
                each->way.begin_at(found->offset);
            }
        }
    }
    [[nodiscard]] auto tell(bool assign, const rd_kafka_topic_partition_list_t* list) noexcept
        -> rd_kafka_resp_err_t {
        if (client_->leaving()) {
            if (waiting_.size() == 1) { // else the last one's answer is that of all
                client_->give_all_up();
            }
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        rd_kafka_t* client = client_->get();
        if (!is_cooperative(client)) {
            return rd_kafka_assign(client, assign ? list : nullptr);
        }
        const error_ptr refused(assign ? rd_kafka_incremental_assign(client, list)
                                       : rd_kafka_incremental_unassign(client, list));
        if (refused) {
            return rd_kafka_error_code(refused.get());
        }
        fetch_on(*list);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    /// librdkafka pauses what stays while a rebalance waits for its answer, and does not wake its
    /// thread that fetches when that is over: it may sleep on for a second. A seek to where the
    /// partition is does.
    void fetch_on(const rd_kafka_topic_partition_list_t& changed) noexcept {
        const partition_list_ptr stay(
            rd_kafka_topic_partition_list_new(static_cast<int>(partitions_->size())));
        for (const auto& each : partitions_->all()) {
            const char* const topic = each->where.topic->c_str();
            if (rd_kafka_topic_partition_list_find(&changed, topic, each->where.partition) ==
                nullptr) {
                each->place = place_of(*each);
                if (each->place >= 0) {
                    rd_kafka_topic_partition_list_add(stay.get(), topic, each->where.partition)
                        ->offset = each->place;
                }
            }
        }
        const error_ptr refused(rd_kafka_seek_partitions(client_->get(), stay.get(), 0));
    }
    /// The next offset to read; a seek or an assignment makes librdkafka forget it.
    [[nodiscard]] auto place_of(const source& which) noexcept -> std::int64_t {
        const partition_list_ptr list(rd_kafka_topic_partition_list_new(1));
        const auto* const found = rd_kafka_topic_partition_list_add(
            list.get(), which.where.topic->c_str(), which.where.partition);
        (void)rd_kafka_position(client_->get(), list.get());
        return found->offset >= 0 ? found->offset : which.place;
    }

    std::shared_ptr<client> client_;
    assignment* partitions_;
    stream_gate* gate_;
    std::optional<std::int64_t> first_;
    bool creates_; ///< companions that are missing
    bool hurried_ = false;
    std::vector<companion> companions_;
    std::vector<companion> ever_; ///< of which some may be assigned
    std::deque<rebalance> waiting_;
    std::vector<topic_partition> settled_; ///< by the last answer
    std::uint32_t epoch_ = 0;
};

} // namespace cobus::detail::kafka
