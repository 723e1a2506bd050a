#pragma once

#include "dispatcher.hpp"
#include "run_through.hpp"

#include <cstddef>
#include <new>
#include <optional>
#include <span>

// How the dispatcher takes messages in: parts of `dispatcher`, for who has one.

namespace cobus::detail {

inline void dispatcher::admit_all(std::size_t count) {
    partitions_.find_all(std::span(room_).first(count), of_);
    for (std::size_t next = 0; next < count;) {
        if (const std::size_t together = admit_together(next, count); together > 0) {
            next += together;
        } else {
            admit(room_[next], of_[next]);
            ++next;
        }
    }
}

inline void dispatcher::admit(const delivery& from, partition_state* partition) {
    if (partition == nullptr || partition->leaving) {
        back_.push_back(from);
        return;
    }
    reserve_back(1);
    const watermark::ticket ticket = partition->mark.begin(from.offset);
    if (retry_topics::is_retry(*partition)) {
        admit_waiting(from, *partition, ticket);
        return;
    }
    const match_table::handlers& wanted = matches_.find(*from.content, *host_);
    if (wanted.empty() || partition->before.contains(from.offset)) { // not ours, or done before
        if (wanted.empty()) {
            matches_.pass_by(*from.content);
        }
        finish(*partition, ticket, *from.content, true);
        back_.push_back(from);
        return;
    }
    record* item = make_record(wanted.size(), from, *partition, ticket);
    keep(*item, limits_.partition);
    runner_.begin(*item, wanted);
}

/// From a retry partition: a message that waits to be handled as one of the partition that it
/// comes from.
inline void dispatcher::admit_waiting(const delivery& from, partition_state& at,
                                      watermark::ticket ticket) {
    retry_topics& retries = runner_.retries();
    std::optional<retry_tag> tag;
    if (retries.is_barrier(from, at)) {
        host_->wake();
    } else if (state_ == phase::open && !at.before.contains(from.offset)) {
        tag = retries.read(from, at);
    }
    const topic_partition& main = at.lot->main->where;
    registration* const handler = tag ? matches_.named(tag->handler, main.topic) : nullptr;
    if (handler == nullptr) {
        if (tag) {
            host_->log(log_level::warning, nobody_waits(*at.where.topic, *tag));
        }
        finish(at, ticket, *from.content, true);
        back_.push_back(from);
        return;
    }
    record* item = make_record(1, from, at, ticket);
    as_its_origin(*item, main, tag->origin);
    keep(*item, limits_.retries);
    expect(*item, 0, *handler);
    retries.add(*item, *tag);
}

/// Whether nothing is special about a message but that handlers want it.
inline auto dispatcher::is_plain(const delivery& from, const partition_state* at) -> bool {
    return at != nullptr && !at->leaving && !retry_topics::is_retry(*at) && at->before.empty() &&
           from.content->run() == nullptr;
}

/// Takes in what comes next and goes to the same handlers, and runs it. Says how many: none, if
/// the next is one for `admit`.
inline auto dispatcher::admit_together(std::size_t first, std::size_t end) -> std::size_t {
    const delivery& begin = room_[first];
    if (begin.content->contract() == nullptr || !is_plain(begin, of_[first])) {
        return 0;
    }
    const match_table::handlers& wanted = matches_.find(*begin.content, *host_);
    if (wanted.empty() || !matches_.as_before(*begin.content)) {
        return 0;
    }
    reserve_back(end - first);
    volley_.begin(wanted);
    std::size_t next = first;
    try {
        do {
            volley_.reserve();
            const watermark::ticket ticket = of_[next]->mark.begin(room_[next].offset);
            volley_.add(room_[next], *of_[next], ticket);
            ++next;
        } while (next < end && is_plain(room_[next], of_[next]) &&
                 matches_.as_before(*room_[next].content));
    } catch (const std::bad_alloc&) {
        if (next == first) {
            throw;
        }
    }
    const volley_end at_end(*this, first);
    runner_.run_through(volley_, wanted);
    return next - first;
}

/// What is through is finished; what is not becomes one of those that `finished` tells of.
inline void dispatcher::end_volley(std::size_t first) noexcept {
    partition_state* last = nullptr;
    std::size_t through = 0;
    for (std::size_t i = 0; i < volley_.records().size(); ++i) {
        record& item = *volley_.records()[i];
        if (item.unfinished > 0) {
            volley_.release(i);
            keep(item, limits_.partition);
            continue;
        }
        if (!item.abandoned) {
            tell_caller(*host_, *item.from.content, !item.failed);
            item.partition->finish(item.ticket);
            item.partition == last ? commits_.finished_more(1)
                                   : commits_.finished_one(partitions_, *item.partition, now_);
            last = item.partition;
        }
        if (through != i) {
            room_[first + through] = room_[first + i];
        }
        ++through;
        if (item.kept_lane || item.failed || item.abandoned) {
            volley_.forget(i);
        }
    }
    stream_->give_back(std::span(room_).subspan(first, through));
}

} // namespace cobus::detail
