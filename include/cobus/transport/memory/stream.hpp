#pragma once

#include "broker.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// One member of a group. The dispatcher serialises the calls.
class memory_stream final : public stream {
public:
    memory_stream(std::shared_ptr<memory_broker> broker, transport_options options,
                  const interest& wanted, waker& ready)
        : broker_(std::move(broker)),
          options_(std::move(options)),
          group_(&broker_->group(wanted.group)),
          member_(ready, options_.from) {
        try {
            const std::lock_guard lock(broker_->guard_);
            group_->members().push_back(&member_);
            change_topics(wanted);
        } catch (...) {
            leave();
            throw;
        }
        broker_->serve(*group_);
    }
    ~memory_stream() override { leave(); }

    [[nodiscard]] auto traits() const noexcept -> stream_traits override {
        stream_traits mine;
        // Positions in a broker of the bus's own end with the bus.
        mine.dies_with_process = broker_->handled_ == memory_broker::history::drop;
        return mine;
    }

    auto poll(std::span<delivery> room) noexcept -> polled override {
        member_.gate.disarm();
        for (;;) {
            if (member_.attention.load(std::memory_order_acquire)) {
                if (const std::optional<polled> told = next_signal()) {
                    return *told;
                }
            }
            polled got;
            try {
                got.count = take(room);
            } catch (const std::bad_alloc&) {
                got.what = signal::failed;
                got.ec = std::make_error_code(std::errc::not_enough_memory);
                return got;
            }
            if (got.count > 0) {
                got.what = signal::messages;
                return got;
            }
            if (nothing_comes(!room.empty())) {
                return got;
            }
        }
    }

    void give_back(std::span<delivery> finished) noexcept override {
        for (const delivery& each : finished) {
            auto& reader = *reinterpret_cast<memory_reader*>(each.handle); // NOLINT: it is one
            if (reader.how == memory_reading::borrowed) {
                pool_delete(each.content);
            }
            reader.give_back(each.offset);
            if (reader.retired) {
                returned_late(reader);
            } else if (reader.behind >= 0 &&
                       reader.low.load(std::memory_order_relaxed) >= reader.behind) {
                reader.behind = -1;
                reader.partition->tidy();
            }
        }
    }

    void hold(const topic_partition& where, bool held) noexcept override {
        for (const auto& each : readers_) {
            if (each->where == where && each->held != held) {
                each->held = held;
                if (!held && !each->partition->wait(*each) && member_.gate.claim()) {
                    member_.gate.fire(); // a poll that found nothing may have been promised a wake
                }
            }
        }
    }

    void commit(std::span<const position> positions, std::uint32_t epoch,
                operation& done) noexcept override {
        bool refused = false;
        for (const position& each : positions) {
            memory_reader* reader = find(each.where, epoch);
            if (reader == nullptr || !reader->partition->commit(*reader, each)) {
                refused = true;
                continue;
            }
            if (each.offset > reader->low.load(std::memory_order_relaxed)) {
                reader->behind = each.offset;
            }
            reader->partition->tidy();
        }
        done.ec = refused ? make_error_code(errc::not_assigned) : std::error_code();
        done.completed(done);
    }

    void settled(std::uint32_t epoch) noexcept override {
        {
            const std::lock_guard lock(broker_->guard_);
            if (told_ == signal::none || epoch != told_epoch_) {
                return;
            }
            if (std::exchange(told_, signal::none) == signal::assigned) {
                for (auto& each : moving_) {
                    readers_.push_back(std::move(each)); // room was made when it was told
                }
            } else {
                for (const topic_partition& each : told_partitions_) {
                    group_->release(group_->shares().find(each)->second);
                }
                group_->rebalance();
            }
            member_.call();
        }
        for (auto& each : moving_) {
            if (each) {
                retire(std::move(each));
            }
        }
        moving_.clear();
        broker_->serve(*group_);
    }

    void update(const interest& wanted) noexcept override {
        {
            const std::lock_guard lock(broker_->guard_);
            if (closing_ || left_) {
                return;
            }
            try {
                change_topics(wanted);
            } catch (const std::exception&) {
                broken_ = true;
                member_.call();
            }
        }
        broker_->serve(*group_);
    }

    void close(operation& done) noexcept override {
        {
            const std::lock_guard lock(broker_->guard_);
            closing_ = &done;
            member_.topics.clear();
            group_->rebalance();
            member_.call();
        }
        broker_->serve(*group_);
    }

    void abandon() noexcept override {
        resign();
        for (auto* all : {&readers_, &moving_}) {
            for (auto& each : *all) {
                retire(std::move(each));
            }
            all->clear();
        }
    }

private:
    using reader_ptr = std::unique_ptr<memory_reader>;

    // --- messages

    [[nodiscard]] auto take(std::span<delivery> room) -> std::size_t {
        std::size_t count = 0;
        const std::size_t all = readers_.size();
        for (std::size_t i = 0; i < all && count < room.size(); ++i) {
            turn_ = turn_ + 1 < all ? turn_ + 1 : 0;
            memory_reader& reader = *readers_[turn_];
            if (!reader.held && reader.partition->end() > reader.next) {
                count += take(reader, room.subspan(count));
            }
        }
        return count;
    }
    [[nodiscard]] auto take(memory_reader& reader, std::span<delivery> room) -> std::size_t {
        const auto there = static_cast<std::size_t>(reader.partition->end() - reader.next);
        room = room.first((std::min)(room.size(), there));
        const std::int64_t low = reader.low.load(std::memory_order_relaxed);
        const auto span = static_cast<std::size_t>(reader.next - low);
        reader.outstanding.reserve(low, span, span + room.size());
        const std::size_t count = reader.partition->read(reader, room);
        for (std::size_t i = 0; i < count; ++i) {
            delivery& each = room[i];
            if (reader.how == memory_reading::borrowed && !lend(each)) {
                return i > 0 ? i : throw std::bad_alloc();
            }
            each.where = reader.where;
            each.epoch = reader.epoch;
            each.handle = reinterpret_cast<std::uintptr_t>(&reader); // NOLINT: comes back
            each.in_process = true;
            reader.outstanding[each.offset] = each.content;
            ++reader.unreturned;
            reader.next = each.offset + 1;
        }
        return count;
    }
    /// Replaces the log's message by one of this group's own. False: no memory.
    [[nodiscard]] static auto lend(delivery& each) noexcept -> bool {
        try {
            message_ptr copy = make_message();
            copy->borrow(*each.content, reinterpret_cast<const box*>(each.handle)); // NOLINT
            each.content = copy.release();
            return true;
        } catch (const std::bad_alloc&) {
            return false;
        }
    }
    /// Promises a wake, unless there is something after all.
    [[nodiscard]] auto nothing_comes(bool messages_wanted) noexcept -> bool {
        member_.gate.arm();
        if (member_.attention.load(std::memory_order_seq_cst)) {
            return false;
        }
        for (const auto& each : readers_) {
            if (messages_wanted && !each->held && !each->waiting.load(std::memory_order_seq_cst) &&
                !each->partition->wait(*each)) {
                return false;
            }
        }
        return true;
    }

    // --- signals

    [[nodiscard]] auto next_signal() noexcept -> std::optional<polled> {
        std::optional<polled> told;
        std::int64_t lost = 0;
        operation* left = nullptr;
        {
            const std::lock_guard lock(broker_->guard_);
            member_.attention.store(false, std::memory_order_seq_cst);
            if (left_) {
                return polled{signal::closed, 0, 0, {}, {}};
            }
            if (told_ != signal::none) {
                return std::nullopt; // `settled` calls again
            }
            try {
                told = broken_ && closing_ == nullptr ? fail() : tell_revoked();
                told = told ? told : tell_assigned(lost);
            } catch (const std::bad_alloc&) {
                broken_ = true;
                told = fail();
            }
            if (!told && closing_ != nullptr) {
                group_->expel(member_);
                left_ = true;
                left = std::exchange(closing_, nullptr);
                told = polled{signal::closed, 0, 0, {}, {}};
            }
            if (told && told->what != signal::failed) {
                member_.attention.store(true, std::memory_order_seq_cst); // look again after it
            }
        }
        if (lost > 0) {
            write_log(options_.log, log_level::warning,
                      std::to_string(lost) + " messages were dropped before this group handled "
                                             "them: raise retention_messages");
        }
        if (left != nullptr) {
            broker_->serve(*group_);
            left->ec.clear();
            left->completed(*left); // may destroy this
        }
        return told;
    }
    [[nodiscard]] static auto fail() noexcept -> polled {
        return {signal::failed, 0, 0, {}, std::make_error_code(std::errc::not_enough_memory)};
    }

    [[nodiscard]] auto tell_revoked() -> std::optional<polled> {
        told_partitions_.clear();
        moving_.reserve(readers_.size());
        told_partitions_.reserve(readers_.size());
        for (auto& [where, share] : group_->shares()) {
            if (share.owner == &member_ && share.at == memory_share::place::leaving) {
                share.at = memory_share::place::leaves;
                told_partitions_.push_back(where);
                const auto found =
                    std::find_if(readers_.begin(), readers_.end(),
                                 [&](const auto& each) { return each->where == where; });
                moving_.push_back(std::move(*found));
                readers_.erase(found);
            }
        }
        if (told_partitions_.empty()) {
            return std::nullopt;
        }
        return tell(signal::revoked);
    }
    [[nodiscard]] auto tell_assigned(std::int64_t& lost) -> std::optional<polled> {
        told_partitions_.clear();
        const std::uint32_t epoch = group_->next_epoch();
        for (auto& [where, share] : group_->shares()) {
            if (share.owner == &member_ && share.at == memory_share::place::granted) {
                told_partitions_.push_back(where);
                moving_.push_back(
                    std::make_unique<memory_reader>(*share.partition, *share.cursor, member_.gate));
                lost += begin(*moving_.back(), where, epoch);
                share.at = memory_share::place::owned;
            }
        }
        readers_.reserve(readers_.size() + moving_.size());
        if (told_partitions_.empty() && !member_.to_greet) {
            return std::nullopt;
        }
        member_.to_greet = false;
        return tell(signal::assigned, epoch);
    }
    [[nodiscard]] auto begin(memory_reader& reader, const topic_partition& where,
                             std::uint32_t epoch) -> std::int64_t {
        reader.where = where;
        reader.epoch = epoch;
        reader.how =
            group_ == broker_->first_group_ ? memory_reading::original : memory_reading::borrowed;
        const std::int64_t lost =
            reader.partition->own(*reader.cursor, &member_.gate, epoch, options_.from);
        reader.partition->attach(reader);
        return lost;
    }
    [[nodiscard]] auto tell(signal what) -> polled { return tell(what, group_->next_epoch()); }
    [[nodiscard]] auto tell(signal what, std::uint32_t epoch) -> polled {
        told_ = what;
        told_epoch_ = epoch;
        return {what, 0, epoch, told_partitions_, {}};
    }

    /// Under the broker's lock. May throw `std::bad_alloc`.
    void change_topics(const interest& wanted) {
        auto topics = wanted.topics;
        std::sort(topics.begin(), topics.end(), std::less<>());
        for (const std::string* each : topics) {
            group_->know(broker_->topic_locked(each, options_));
        }
        member_.topics = std::move(topics);
        member_.to_greet = true;
        member_.call();
        group_->rebalance();
    }

    // --- the end

    [[nodiscard]] auto find(const topic_partition& where, std::uint32_t epoch) noexcept
        -> memory_reader* {
        for (auto* all : {&readers_, &moving_}) {
            for (std::size_t i = 0; i < all->size(); ++i) {
                memory_reader& each = *(*all)[(found_ + i) % all->size()];
                if (each.where == where && each.epoch == epoch) {
                    found_ = (found_ + i) % all->size();
                    return &each;
                }
            }
        }
        return nullptr;
    }
    void resign() noexcept {
        {
            const std::lock_guard lock(broker_->guard_);
            if (!std::exchange(left_, true)) {
                group_->expel(member_);
            }
        }
        broker_->serve(*group_);
    }
    void leave() noexcept {
        resign();
        for (auto* all : {&readers_, &moving_}) {
            for (auto& each : *all) {
                discard(std::move(each));
            }
        }
        while (retired_) {
            discard(std::exchange(retired_, std::move(retired_->following)));
        }
        member_.gate.close();
    }
    /// The assignment is over; the reader stays until all is given back.
    void retire(reader_ptr reader) noexcept {
        reader->retired = true;
        reader->waiting.store(false, std::memory_order_relaxed);
        if (reader->unreturned == 0) {
            discard(std::move(reader));
        } else {
            reader->following = std::move(retired_);
            retired_ = std::move(reader);
        }
    }
    void returned_late(memory_reader& reader) noexcept {
        if (reader.unreturned > 0) {
            reader.partition->tidy();
            return;
        }
        reader_ptr* each = &retired_;
        while (each->get() != &reader) {
            each = &(*each)->following;
        }
        reader_ptr over = std::move(*each);
        *each = std::move(over->following);
        discard(std::move(over));
    }
    static void discard(reader_ptr reader) noexcept {
        memory_partition& partition = *reader->partition;
        partition.detach(*reader);
        if (reader->how == memory_reading::borrowed && reader->unreturned > 0) {
            for (std::int64_t at = reader->low; at < reader->next; ++at) {
                if (message* copy = reader->outstanding[at]) {
                    pool_delete(copy);
                }
            }
        }
        partition.tidy();
    }

    std::shared_ptr<memory_broker> broker_;
    transport_options options_;
    memory_group* group_;
    memory_member member_;
    std::vector<reader_ptr> readers_; ///< assigned, and messages flow
    std::vector<reader_ptr> moving_;  ///< told, and not yet settled
    reader_ptr retired_;              ///< over, but handlers still read what they gave
    std::vector<topic_partition> told_partitions_;
    signal told_ = signal::none;
    std::uint32_t told_epoch_ = 0;
    operation* closing_ = nullptr;
    bool left_ = false;
    bool broken_ = false;
    std::size_t turn_ = 0;
    std::size_t found_ = 0;
};

} // namespace cobus::detail
