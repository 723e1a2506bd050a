#pragma once

#include "../transport.hpp"
#include "commit_barrier.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// What comes from Kafka and what was delivered in process, as one stream. Epochs carry their side
/// in the lowest bit; partitions of the memory side are numbered −2, −3, …, because Kafka has
/// partitions of the same topics.
///
/// What waits in memory is older than anything of the same key that Kafka has still to bring,
/// because publishing went to Kafka only after memory had taken it. So memory is read first, and
/// while one of its partitions is held, Kafka brings its signals but no messages.
class merged_stream final : public stream {
public:
    /// `at`: of the bus, which says the way that publishes take; lives longer.
    /// `spool`: says when positions may be committed; lives longer, too.
    merged_stream(waker& ready, const std::atomic<state>& at, spool_view* spool = nullptr)
        : ready_(&ready),
          at_(&at),
          kafka_ready_(ready),
          memory_ready_(ready),
          barrier_(spool, memory_ready_) {}

    [[nodiscard]] auto kafka_ready() noexcept -> waker& { return kafka_ready_; }
    [[nodiscard]] auto memory_ready() noexcept -> waker& { return memory_ready_; }
    void open(std::unique_ptr<stream> kafka, std::unique_ptr<stream> memory) noexcept {
        kafka_.from = std::move(kafka);
        memory_.from = std::move(memory);
    }

    [[nodiscard]] auto traits() const noexcept -> stream_traits override {
        stream_traits both = kafka_.from->traits();
        both.dies_with_process = memory_.from->traits().dies_with_process;
        both.commits_cost = true;
        both.follows = true;
        return both;
    }

    auto poll(std::span<delivery> room) noexcept -> polled override {
        if (std::exchange(kafka_is_due_, false)) { // its signals do not wait behind a busy memory
            const polled got = poll_kafka({});
            if (got.what != signal::none) {
                return got;
            }
        }
        barrier_.look(*kafka_.from);
        const polled local = poll_memory(room);
        if (local.what != signal::none) {
            kafka_is_due_ = true;
            return local;
        }
        return poll_kafka(!memory_held_.empty() || draining_ ? std::span<delivery>() : room);
    }

    void give_back(std::span<delivery> finished) noexcept override {
        for (std::size_t begin = 0; begin < finished.size();) {
            const std::uint32_t side_bit = finished[begin].epoch & 1U;
            std::size_t end = begin;
            for (; end < finished.size() && (finished[end].epoch & 1U) == side_bit; ++end) {
                finished[end].where = inner_place(finished[end].where);
                finished[end].epoch >>= 1U;
            }
            of(side_bit).from->give_back(finished.subspan(begin, end - begin));
            begin = end;
        }
    }

    void hold(const topic_partition& where, bool held) noexcept override {
        if (!is_memory(where)) {
            kafka_.from->hold(where, held);
            return;
        }
        memory_.from->hold(inner_place(where), held);
        std::erase(memory_held_, where);
        if (held) {
            memory_held_.push_back(where);
        }
        memory_ready_.set();
        ready_->wake(); // Kafka's messages may be asked for again, or no longer
    }

    void commit(std::span<const position> positions, std::uint32_t epoch,
                operation& done) noexcept override {
        if ((epoch & 1U) == kafka_side) {
            barrier_.commit(*kafka_.from, positions, epoch >> 1U, done);
            return;
        }
        positions_.assign(positions.begin(), positions.end());
        for (position& each : positions_) {
            each.where = inner_place(each.where);
        }
        memory_.from->commit(positions_, epoch >> 1U, done);
    }
    void handled(const topic_partition& where, std::int64_t below) noexcept override {
        if (!is_memory(where)) {
            barrier_.handled(where, below);
        }
    }
    void settled(std::uint32_t epoch) noexcept override { of(epoch).from->settled(epoch >> 1U); }
    /// What the memory beside Kafka is told: it is gone before a long retry is due.
    [[nodiscard]] static auto in_process(interest wanted) -> interest {
        wanted.companions.clear();
        return wanted;
    }
    void update(const interest& wanted) noexcept override {
        kafka_.from->update(wanted);
        memory_.from->update(in_process(wanted));
    }
    /// On the way that events take now; not while it is undecided.
    [[nodiscard]] auto receives() const noexcept -> bool override {
        switch (at_->load(std::memory_order_acquire)) {
        case state::connecting:
            return false;
        case state::connected:
            return kafka_.from->receives();
        default:
            return memory_.from->receives();
        }
    }
    void drain() noexcept override {
        draining_ = true;
        memory_ready_.set();
        kafka_.from->drain();
        memory_.from->drain();
    }
    void close(operation& done) noexcept override {
        barrier_.look(*kafka_.from);
        closing_ = &done;
        open_sides_.store(2, std::memory_order_relaxed);
        for (side* each : {&kafka_, &memory_}) {
            each->whole = this;
            each->completed = [](operation& self) noexcept {
                static_cast<side&>(self).whole->closed_one();
            };
            each->from->close(*each);
        }
        memory_ready_.set();
    }
    void abandon() noexcept override {
        barrier_.give_up();
        kafka_.from->abandon();
        memory_.from->abandon();
    }

private:
    static constexpr std::uint32_t kafka_side = 0;
    static constexpr std::uint32_t memory_side = 1;

    struct side : operation {
        std::unique_ptr<stream> from;
        merged_stream* whole = nullptr;
        bool closed = false;
    };

    /// Passes a wake on, and remembers it: a stream that was not heard of has nothing.
    class news final : public waker {
    public:
        explicit news(waker& to) noexcept : to_(&to) {}
        void wake() noexcept override {
            set();
            to_->wake();
        }
        void set() noexcept { some_.store(true, std::memory_order_release); }
        [[nodiscard]] auto take() noexcept -> bool {
            return some_.load(std::memory_order_relaxed) &&
                   some_.exchange(false, std::memory_order_acq_rel);
        }

    private:
        waker* to_;
        std::atomic<bool> some_{true};
    };

    [[nodiscard]] static auto is_memory(const topic_partition& where) noexcept -> bool {
        return where.partition <= -2;
    }
    /// The two numberings mirror each other, so the same function maps both ways.
    [[nodiscard]] static auto mirrored(topic_partition where) noexcept -> topic_partition {
        where.partition = -2 - where.partition;
        return where;
    }
    [[nodiscard]] static auto inner_place(const topic_partition& where) noexcept
        -> topic_partition {
        return is_memory(where) ? mirrored(where) : where;
    }
    [[nodiscard]] auto of(std::uint32_t epoch) noexcept -> side& {
        return (epoch & 1U) == memory_side ? memory_ : kafka_;
    }

    auto poll_memory(std::span<delivery> room) noexcept -> polled {
        if (memory_.closed || !memory_ready_.take()) {
            return {};
        }
        polled got = memory_.from->poll(room);
        if (got.what != signal::none || room.empty()) {
            memory_ready_.set(); // not known to be empty
        }
        for (delivery& each : room.first(got.what == signal::messages ? got.count : 0)) {
            each.where = mirrored(each.where);
            each.epoch = each.epoch << 1U | memory_side;
            each.in_process = true;
        }
        got.epoch = got.epoch << 1U | memory_side;
        memory_partitions_.clear();
        for (const topic_partition& each : got.partitions) {
            memory_partitions_.push_back(mirrored(each));
            if (got.what == signal::revoked || got.what == signal::lost) {
                std::erase(memory_held_, memory_partitions_.back());
            }
        }
        got.partitions = memory_partitions_;
        got.committed = {}; // what is in memory is in this process's memory
        return closed_when_both(memory_, got);
    }
    auto poll_kafka(std::span<delivery> room) noexcept -> polled {
        if (kafka_.closed) {
            return {};
        }
        polled got = kafka_.from->poll(room);
        for (delivery& each : room.first(got.what == signal::messages ? got.count : 0)) {
            each.epoch = each.epoch << 1U | kafka_side;
        }
        got.epoch = got.epoch << 1U | kafka_side;
        if (got.what == signal::revoked || got.what == signal::lost) {
            barrier_.give_up(); // redelivered there, and not lost
            for (const topic_partition& each : got.partitions) {
                barrier_.handled(each, -1);
            }
        }
        return closed_when_both(kafka_, got);
    }
    auto closed_when_both(side& which, const polled& got) const noexcept -> polled {
        if (got.what != signal::closed) {
            return got;
        }
        which.closed = true;
        return kafka_.closed && memory_.closed ? got : polled();
    }
    void closed_one() noexcept {
        if (open_sides_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            closing_->ec = kafka_.ec ? kafka_.ec : memory_.ec;
            closing_->completed(*closing_);
        }
    }

    waker* ready_;
    const std::atomic<state>* at_;
    news kafka_ready_; // before the streams, which may wake until they are gone
    news memory_ready_;
    commit_barrier barrier_;
    side kafka_;
    side memory_;
    std::vector<topic_partition> memory_partitions_;
    std::vector<position> positions_;
    std::vector<topic_partition> memory_held_;
    bool kafka_is_due_ = false;
    bool draining_ = false;
    operation* closing_ = nullptr;
    std::atomic<int> open_sides_{0};
};

} // namespace cobus::detail
