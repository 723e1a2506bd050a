#pragma once

#include "../../detail/intern.hpp"
#include "../transport.hpp"
#include "handle.hpp"
#include "progress.hpp"
#include "turns.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace cobus::detail::kafka {

/// Wakes the dispatcher once for each time that it looked. librdkafka calls it under the lock of a
/// queue.
class stream_gate {
public:
    explicit stream_gate(waker& ready) noexcept : ready_(&ready) {}

    void wake() noexcept {
        if (!pending_.exchange(true, std::memory_order_acq_rel)) {
            ready_->wake();
        }
    }
    /// Before looking: what comes from now on wakes again.
    void look() noexcept { pending_.store(false, std::memory_order_seq_cst); }

private:
    waker* ready_;
    std::atomic<bool> pending_{false};
};

/// One assigned partition with a queue of its own, so that not reading it is back-pressure on it
/// alone and rebalances are never stuck behind messages.
struct source : turn<source> {
    topic_partition where;
    std::uint32_t epoch = 0;
    queue_ptr queue;
    stream_gate* gate = nullptr;
    turns<source>* line = nullptr;
    std::int64_t place = -1; ///< where it was made to begin or go on; below zero if not known
    progress way;
    std::vector<native_ptr> rest; ///< out of the queue, and left for want of memory
    bool held = false;
    bool leaving = false; ///< revoked, or about to be: not read any more

    [[nodiscard]] auto readable() const noexcept -> bool { return !held && !leaving; }
};

/// The partitions of one stream. Used by one thread at a time, but for the wakes of librdkafka.
class assignment {
public:
    assignment(rd_kafka_t* client, stream_gate& gate) noexcept : client_(client), gate_(&gate) {}
    assignment(const assignment&) = delete;
    auto operator=(const assignment&) -> assignment& = delete;
    ~assignment() { clear(); }

    /// Before librdkafka is told to assign, so that no message slips into the consumer's queue.
    void add(const topic_partition& where, std::uint32_t epoch) {
        auto made = std::make_unique<source>();
        made->where = where;
        made->epoch = epoch;
        made->gate = gate_;
        made->line = &line_;
        made->queue.reset(
            rd_kafka_queue_get_partition(client_, where.topic->c_str(), where.partition));
        if (!made->queue) {
            return;
        }
        rd_kafka_queue_forward(made->queue.get(), nullptr);
        rd_kafka_queue_cb_event_enable(made->queue.get(), &on_message, made.get());
        source& added = *made;
        line_.reserve(all_.size() + 1);
        all_.push_back(std::move(made));
        on_message(client_, &added); // what was there before the callback fires none
    }
    void remove(const topic_partition& where) noexcept {
        std::erase_if(all_, [&](const auto& each) {
            if (each->where != where) {
                return false;
            }
            rd_kafka_queue_cb_event_enable(each->queue.get(), nullptr, nullptr);
            line_.unlist(*each);
            return true;
        });
    }
    void clear() noexcept {
        for (const auto& each : all_) {
            rd_kafka_queue_cb_event_enable(each->queue.get(), nullptr, nullptr);
        }
        line_.clear();
        all_.clear();
    }
    /// No wakes from now on; the queues stay.
    void silence() noexcept {
        for (const auto& each : all_) {
            rd_kafka_queue_cb_event_enable(each->queue.get(), nullptr, nullptr);
        }
    }

    [[nodiscard]] auto find(const topic_partition& where) noexcept -> source* {
        for (const auto& each : all_) {
            if (each->where == where) {
                return each.get();
            }
        }
        return nullptr;
    }
    [[nodiscard]] auto size() const noexcept -> std::size_t { return all_.size(); }
    [[nodiscard]] auto all() const noexcept -> std::span<const std::unique_ptr<source>> {
        return all_;
    }

    void hold(const topic_partition& where, bool held) noexcept {
        source* found = find(where);
        if (found == nullptr || found->held == held) {
            return;
        }
        found->held = held;
        if (held) {
            line_.unlist(*found);
        } else {
            line_.list(*found);
            gate_->wake();
        }
    }

    /// It has more to read.
    void again(source& which) noexcept { line_.list(which); }
    /// As `turns::read`.
    template <class Read> auto read(std::size_t room, Read read) -> std::size_t {
        return line_.read(room, read);
    }

private:
    static void on_message(rd_kafka_t* /*client*/, void* opaque) {
        auto& self = *static_cast<source*>(opaque);
        self.line->tell(self);
        self.gate->wake();
    }

    rd_kafka_t* client_;
    stream_gate* gate_;
    turns<source> line_;
    std::vector<std::unique_ptr<source>> all_;
};

} // namespace cobus::detail::kafka
