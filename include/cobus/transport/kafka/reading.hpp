#pragma once

#include "../transport.hpp"
#include "assignment.hpp"
#include "consumer_trouble.hpp"
#include "received.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cobus::detail::kafka {

/// Takes messages out of the partitions' queues, fairly, and gets them back.
class reading {
public:
    reading(assignment& from, consumer_trouble& trouble) noexcept
        : from_(&from), trouble_(&trouble) {}

    /// From now on structured CloudEvents are taken apart with this.
    void unwrap(unwrapping with) noexcept { unwrap_ = with; }

    auto fetch(std::span<delivery> room) -> polled {
        polled what;
        if (room.empty()) {
            return what;
        }
        delivery* at = room.data();
        try {
            from_->read(room.size(),
                        [&](source& from, std::size_t most) { return read(from, most, at); });
        } catch (...) { // what was read before is delivered
            if (at == room.data()) {
                throw;
            }
        }
        what.count = static_cast<std::size_t>(at - room.data());
        what.what = what.count > 0 ? signal::messages : signal::none;
        return what;
    }
    void give_back(std::span<delivery> finished) noexcept {
        for (const delivery& each : finished) {
            messages_.give_back(*reinterpret_cast<received*>(each.handle));
        }
    }

private:
    static constexpr std::size_t batch = 64;

    auto read(source& from, std::size_t most, delivery*& at) -> std::size_t {
        std::size_t count = 0;
        try {
            if (from.rest.empty()) {
                take(from, most);
            } else {
                from_->again(from); // there may be more in the queue
            }
            for (; count < (std::min)(most, from.rest.size()); ++count) {
                pass(from, from.rest[count], at);
            }
        } catch (...) {
            drop(from, count);
            from_->again(from);
            throw;
        }
        drop(from, count);
        return count;
    }
    /// Out of the queue.
    void take(source& from, std::size_t most) {
        spare_.reserve(batch); // nothing is taken unless there is room for it
        std::array<rd_kafka_message_t*, batch> items; // NOLINT: filled below
        const ssize_t count = rd_kafka_consume_batch_queue(from.queue.get(), 0, items.data(),
                                                           (std::min)(most, batch));
        for (ssize_t i = 0; i < count; ++i) {
            const native_ptr& item = spare_.emplace_back(items[static_cast<std::size_t>(i)]);
            if (item->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                from.way.read(item->offset); // now: the client's position is behind it already
            }
        }
        from.rest.swap(spare_);
    }
    /// To the dispatcher, or what is no message where it belongs. If it throws, it stays.
    void pass(source& from, native_ptr& item, delivery*& at) {
        if (item->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            from.way.ends_at(item->offset);
            return;
        }
        if (item->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            trouble_->read(*item);
            return;
        }
        const std::int64_t offset = item->offset;
        received& made = messages_.take(item, from.where.topic, unwrap_);
        at->content = &made.content;
        at->where = from.where;
        at->offset = offset;
        at->epoch = from.epoch;
        at->handle = reinterpret_cast<std::uintptr_t>(&made);
        at->in_process = false;
        ++at;
    }
    void drop(source& from, std::size_t count) noexcept {
        from.rest.erase(from.rest.begin(), from.rest.begin() + static_cast<std::ptrdiff_t>(count));
        if (from.rest.empty()) {
            from.rest.swap(spare_); // its room is used again
        }
    }

    assignment* from_;
    consumer_trouble* trouble_;
    received_list messages_;
    std::vector<native_ptr> spare_;
    unwrapping unwrap_ = nullptr;
};

} // namespace cobus::detail::kafka
