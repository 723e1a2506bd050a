#pragma once

#include "../../detail/helper.hpp"
#include "client.hpp"
#include "handle.hpp"
#include "membership.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace cobus::detail::kafka {

/// Waits, and hands each rebalance that it finds in the queue to `rebalanced`; other events are
/// dropped. Blocks.
template <class Done, class Rebalanced>
void serve_until(rd_kafka_queue_t* queue, std::chrono::steady_clock::time_point until, Done done,
                 Rebalanced rebalanced) {
    constexpr int look_again_ms = 20;
    while (!done() && std::chrono::steady_clock::now() < until) {
        const event_ptr event(rd_kafka_queue_poll(queue, look_again_ms));
        if (event && rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE) {
            rebalanced(event.get());
        }
    }
}

/// Whether it says that nothing is assigned; then it was answered. A member that goes before that
/// answer never leaves: its group waits for it until its session ends.
[[nodiscard]] inline auto took_nothing(rd_kafka_t* consumer, rd_kafka_event_t* rebalance) noexcept
    -> bool {
    const auto* const list = rd_kafka_event_topic_partition_list(rebalance);
    if (rd_kafka_event_error(rebalance) != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS ||
        (list != nullptr && list->cnt > 0)) {
        return false;
    }
    if (is_cooperative(consumer)) {
        const partition_list_ptr nothing(rd_kafka_topic_partition_list_new(0));
        const error_ptr refused(rd_kafka_incremental_assign(consumer, nothing.get()));
    } else {
        rd_kafka_assign(consumer, nullptr);
    }
    return true;
}

/// librdkafka does not tell the group of a member that goes while it joins, and the group would
/// wait for it. True: a rebalance came that waits for its answer now.
[[nodiscard]] inline auto wait_for_join(client& consumer, rd_kafka_queue_t* queue,
                                        std::chrono::steady_clock::time_point until) -> bool {
    membership& member = consumer.member();
    bool came = false;
    serve_until(
        queue, until, [&] { return member.settled(); },
        [&](rd_kafka_event_t* event) {
            member.rebalanced();
            came = consumer.leaving() || !took_nothing(consumer.get(), event);
        });
    return came;
}

/// Leaves a consumer's group on the thread for that and commits nothing: for a stream that is gone
/// without its close. Others get its partitions at once, and librdkafka gets its answer to a
/// rebalance that nobody will settle any more: without one, destroying the client hangs for ever.
/// `unanswered`: whether librdkafka waits for an answer already. When it does not, it may end the
/// membership at once, and whoever asks it something then waits for ever.
inline void leave_group(std::shared_ptr<client> consumer, bool unanswered) noexcept {
    (void)helper::run(helps::leave, [consumer = std::move(consumer), unanswered]() mutable {
        constexpr std::chrono::milliseconds limit(1000);
        rd_kafka_t* handle = consumer->get();
        const queue_ptr queue(rd_kafka_queue_get_consumer(handle));
        unanswered |=
            wait_for_join(*consumer, queue.get(), std::chrono::steady_clock::now() + limit);
        (void)consumer->close(queue.get());
        if (unanswered) {
            consumer->give_all_up();
        }
        serve_until(
            queue.get(), std::chrono::steady_clock::now() + limit,
            [handle] { return rd_kafka_consumer_closed(handle) != 0; },
            [&](rd_kafka_event_t*) { consumer->give_all_up(); });
    });
}

} // namespace cobus::detail::kafka
