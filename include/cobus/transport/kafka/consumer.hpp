#pragma once

#include "../../log.hpp"
#include "../../net.hpp"
#include "alarm.hpp"
#include "assignment.hpp"
#include "client.hpp"
#include "commit.hpp"
#include "consumer_trouble.hpp"
#include "end_commit.hpp"
#include "leave.hpp"
#include "reading.hpp"
#include "rebalances.hpp"
#include "start_positions.hpp"
#include "topic_search.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// One group's subscription: a consumer client of its own. Everything happens in the dispatcher's
/// calls; librdkafka's threads only wake it, and so does a timer each second, because a consumer
/// that nobody polls is thrown out of its group.
class consumer_stream final : public stream {
public:
    using clock = std::chrono::steady_clock;

    consumer_stream(const net::any_io_executor& executor, std::shared_ptr<cluster_watch> watch,
                    conf_ptr conf, const interest& wanted, waker& ready, bool create_topics)
        : watch_(std::move(watch)),
          gate_(ready),
          first_(first_position(property(conf.get(), "auto.offset.reset"))),
          // Asking the client would wait for one of its threads.
          eager_(property(conf.get(), "partition.assignment.strategy").find("cooperative") ==
                 std::string::npos),
          client_(std::make_shared<client>(role::consumer, std::move(conf),
                                           RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_ERROR |
                                               RD_KAFKA_EVENT_REBALANCE |
                                               RD_KAFKA_EVENT_OFFSET_COMMIT,
                                           watch_)),
          partitions_(client_->get(), gate_),
          rebalances_(client_, partitions_, gate_, first_, create_topics),
          search_(std::make_shared<topic_search>(gate_)),
          trouble_(client_, search_, gate_),
          messages_(partitions_, trouble_),
          keep_alive_(std::make_shared<alarm>(executor, tick_)) {
        rd_kafka_poll_set_consumer(client_->get());
        queue_.reset(rd_kafka_queue_get_consumer(client_->get()));
        rd_kafka_queue_cb_event_enable(queue_.get(), &on_event, &gate_);
        client_->member().follow(gate_);
        subscribe_to(wanted);
        keep_alive_->set(on_the_second(clock::now() + keep_alive_interval));
    }
    ~consumer_stream() override { abandon(); }

    [[nodiscard]] auto traits() const noexcept -> stream_traits override { return traits_; }
    auto poll(std::span<delivery> room) noexcept -> polled override {
        gate_.look();
        if (over_) {
            return polled();
        }
        try {
            keep_polling();
            serve();
            if (const polled told = tell(); told.what != signal::none) {
                return told;
            }
            return messages_.fetch(room);
        } catch (...) { // no memory: nothing is lost, the keep-alive tries again
            return polled();
        }
    }

    void give_back(std::span<delivery> finished) noexcept override {
        messages_.give_back(finished);
    }

    void hold(const topic_partition& where, bool held) noexcept override {
        partitions_.hold(where, held);
    }

    // Inline here already: else each file that includes this would have the whole class's code.
    inline void commit(std::span<const position> positions, std::uint32_t epoch,
                       operation& done) noexcept override;
    inline void settled(std::uint32_t epoch) noexcept override;

    void update(const interest& wanted) noexcept override {
        try {
            owes_answer_ = true;
            subscribe_to(wanted);
        } catch (...) {
            watch_->log(log_level::error, "no memory to change the subscription");
        }
    }

    [[nodiscard]] auto receives() const noexcept -> bool override {
        return partitions_.size() > 0 && search_->settled(partitions_, clock::now());
    }

    void close(operation& done) noexcept override {
        closing_ = &done;
        close_by_ = clock::now() + close_limit;
        rebalances_.hurry();
        fail_held();
        gate_.wake();
    }

    void abandon() noexcept override {
        silence();
        if (!std::exchange(left_, true) && !closed_) {
            leave_group(client_, rebalances_.waiting());
        }
    }

private:
    class tick_waker final : public waker {
    public:
        explicit tick_waker(stream_gate& gate) noexcept : gate_(&gate) {}
        void wake() noexcept override { gate_->wake(); }

    private:
        stream_gate* gate_;
    };

    /// A commit that waits until the member has joined again.
    struct held_commit {
        std::vector<position> positions;
        std::uint32_t epoch = 0;
        operation* done = nullptr;
    };

    static constexpr std::chrono::milliseconds keep_alive_interval{1000};
    static constexpr std::chrono::milliseconds close_limit{5000};
    static constexpr std::chrono::milliseconds leave_time{1000}; ///< of that, at the end
    static constexpr std::size_t most_events = 1000;

    static void on_event(rd_kafka_t* /*client*/, void* gate) {
        static_cast<stream_gate*>(gate)->wake();
    }

    void subscribe_to(const interest& wanted) {
        messages_.unwrap(wanted.unwrap);
        topics_ = wanted.topics;
        rebalances_.follow(wanted.companions);
        search_->want(topics_, clock::now());
        if (topics_.empty()) {
            rd_kafka_unsubscribe(client_->get());
            client_->member().rebalanced();
            return;
        }
        subscribe();
    }
    void subscribe() {
        const partition_list_ptr list(
            rd_kafka_topic_partition_list_new(static_cast<int>(topics_.size())));
        for (const std::string* topic : topics_) {
            rd_kafka_topic_partition_list_add(list.get(), topic->c_str(), RD_KAFKA_PARTITION_UA);
        }
        const rd_kafka_resp_err_t code = rd_kafka_subscribe(client_->get(), list.get());
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            trouble_.fail(code, "the subscription was refused");
        }
    }

    /// No wake comes after this, and no call of librdkafka's.
    void silence() noexcept {
        over_ = true;
        keep_alive_->silence();
        client_->member().silence();
        rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
        partitions_.silence();
        rebalances_.silence();
        search_->silence();
    }
    void keep_polling() {
        const auto now = clock::now();
        const bool tick = now >= next_tick_;
        if (tick) {
            next_tick_ = on_the_second(now + keep_alive_interval);
            keep_alive_->set(next_tick_);
        }
        if (tick) {
            commit_ends();
        }
        if ((tick || search_->has_news()) && closing_ == nullptr &&
            search_->look(client_, partitions_, now, eager_)) {
            subscribe();
        }
    }

    // --- events of the client

    void serve() {
        for (std::size_t i = 0; i < most_events; ++i) {
            event_ptr event(rd_kafka_queue_poll(queue_.get(), 0));
            if (!event) {
                break;
            }
            switch (rd_kafka_event_type(event.get())) {
            case RD_KAFKA_EVENT_REBALANCE:
                rebalances_.add(std::move(event));
                break;
            case RD_KAFKA_EVENT_OFFSET_COMMIT:
                committed(event.get());
                break;
            case RD_KAFKA_EVENT_ERROR:
                trouble_.read(event.get());
                break;
            case RD_KAFKA_EVENT_FETCH:
                slipped(event.get());
                break;
            default:
                break;
            }
        }
        if (held_.done != nullptr && !client_->member().joining()) {
            send(held_.positions, held_.epoch, *std::exchange(held_.done, nullptr));
        }
        if (closing_ != nullptr) {
            leave();
            closed_ = closed_ || rd_kafka_consumer_closed(client_->get()) != 0;
        }
    }

    /// A member that goes while it joins leaves nobody behind that the group would wait for, only
    /// if it joins first: librdkafka does not tell the group then. Nor does it tell the group of
    /// one that goes before it has answered that it got nothing.
    void leave() {
        rebalances_.answer_empty();
        const bool settled = client_->member().settled() && !ends_.under_way();
        if (!leaving_ && (settled || clock::now() >= close_by_ - leave_time)) {
            leaving_ = true;
            if (!client_->close(queue_.get())) {
                close_by_ = clock::now();
            }
        }
    }

    /// What the dispatcher has to know before messages.
    auto tell() -> polled {
        polled what = rebalances_.next();
        if (what.what != signal::none) {
            owes_answer_ = owes_answer_ && what.what != signal::assigned;
            return what;
        }
        if (owes_answer_ && receives()) { // the change needed no new partition
            owes_answer_ = false;
            what.what = signal::assigned;
            return what;
        }
        if (closed_ || (closing_ != nullptr && clock::now() >= close_by_)) {
            over_ = true;
            what.what = signal::closed;
            if (operation* done = std::exchange(closing_, nullptr)) {
                done->completed(*done);
            }
        } else if (const std::error_code failed = trouble_.news()) {
            what.what = signal::failed;
            what.ec = failed;
        }
        return what;
    }

    /// Messages come through the partitions' own queues; here only errors of a partition may come.
    void slipped(rd_kafka_event_t* event) {
        if (const rd_kafka_message_t* item = rd_kafka_event_message_next(event)) {
            trouble_.read(*item);
        }
    }

    // --- commits

    void send(std::span<const position> positions, std::uint32_t epoch, operation& done) noexcept {
        rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__STATE;
        try {
            const partition_list_ptr list =
                commit_list(client_->get(), positions, partitions_, epoch);
            if (list->cnt > 0 && !over_) {
                code =
                    rd_kafka_commit_queue(client_->get(), list.get(), queue_.get(), nullptr, &done);
                committing_ = code == RD_KAFKA_RESP_ERR_NO_ERROR;
            }
        } catch (...) {
            code = RD_KAFKA_RESP_ERR__FAIL;
        }
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            fail(done, code);
        }
    }
    /// Not beside another commit, which might be the older one and come last; and a consumer that
    /// leaves is asked nothing more.
    void commit_ends() noexcept {
        if (committing_ || closing_ != nullptr || client_->member().joining()) {
            return;
        }
        try {
            if (const partition_list_ptr list = ends_.next();
                list && rd_kafka_commit_queue(client_->get(), list.get(), queue_.get(), nullptr,
                                              &ends_) == RD_KAFKA_RESP_ERR_NO_ERROR) {
                ends_.begun();
            }
        } catch (...) { // no memory: the next tick tries again
        }
    }
    static void fail(operation& done, rd_kafka_resp_err_t code) noexcept {
        done.ec = code_of(code);
        done.completed(done);
    }
    void fail_held() noexcept {
        if (operation* done = std::exchange(held_.done, nullptr)) {
            fail(*done, RD_KAFKA_RESP_ERR__STATE);
        }
    }
    void committed(rd_kafka_event_t* event) {
        auto* done = static_cast<operation*>(rd_kafka_event_opaque(event));
        if (done == nullptr) {
            return;
        }
        if (done != &ends_) {
            committing_ = false;
        }
        done->ec = commit_error(event);
        done->completed(*done);
    }

    std::shared_ptr<cluster_watch> watch_;
    stream_gate gate_;
    std::optional<std::int64_t> first_;
    bool eager_; ///< a rebalance takes all partitions away
    tick_waker tick_{gate_};
    std::shared_ptr<client> client_;
    queue_ptr queue_;
    assignment partitions_;
    rebalances rebalances_;
    std::shared_ptr<topic_search> search_;
    consumer_trouble trouble_;
    reading messages_;
    end_commit ends_{partitions_};
    std::vector<const std::string*> topics_; ///< wanted
    bool owes_answer_ = false;               ///< to an `update`
    std::shared_ptr<alarm> keep_alive_;
    clock::time_point next_tick_{};
    held_commit held_;
    bool committing_ = false; ///< for the dispatcher
    operation* closing_ = nullptr;
    clock::time_point close_by_{};
    bool leaving_ = false;                   ///< the client was told to close
    stream_traits traits_{.metadata = 4096}; // offset.metadata.max.bytes, by default
    bool closed_ = false;
    bool over_ = false;
    bool left_ = false;
};

inline void consumer_stream::commit(std::span<const position> positions, std::uint32_t epoch,
                                    operation& done) noexcept {
    if (!client_->member().joining() || over_) {
        send(positions, epoch, done);
        return;
    }
    try { // it would be refused, and with it all that is assigned
        held_.positions.assign(positions.begin(), positions.end());
        held_.epoch = epoch;
        held_.done = &done;
    } catch (...) {
        fail(done, RD_KAFKA_RESP_ERR__FAIL);
    }
}

inline void consumer_stream::settled(std::uint32_t epoch) noexcept {
    if (!over_) {
        rebalances_.settle(epoch);
        gate_.wake();
    }
}

} // namespace cobus::detail::kafka
