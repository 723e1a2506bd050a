#pragma once

#include "broker.hpp"
#include "readers.hpp"

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
            resign();
            throw;
        }
        broker_->serve(*group_);
    }
    ~memory_stream() override { resign(); }

    [[nodiscard]] auto traits() const noexcept -> stream_traits override {
        stream_traits mine;
        // Publishers who wait for room are let in by commits, and what is freed while the cache has
        // it serves the next event.
        constexpr std::size_t most = 128;
        const std::size_t room = (std::min)(options_.retention_messages, options_.queue_messages);
        mine.commit_messages = (std::clamp)(room / 4, std::size_t{1}, most);
        // Positions in a broker of the bus's own end with the bus.
        mine.dies_with_process = broker_->handled_ == memory_broker::history::drop;
        mine.metadata = mine.dies_with_process ? 0 : 4096;
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
                got.count = readers_.take(room);
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

    void give_back(std::span<delivery> finished) noexcept override { readers_.give_back(finished); }

    void hold(const topic_partition& where, bool held) noexcept override {
        if (readers_.hold(where, held) && member_.gate.claim()) {
            member_.gate.fire(); // a poll that found nothing was promised a wake
        }
    }

    void commit(std::span<const position> positions, std::uint32_t epoch,
                operation& done) noexcept override {
        bool refused = false;
        for (const position& each : positions) {
            memory_reader* reader = readers_.find(each.where, epoch);
            if (reader == nullptr || !reader->partition->commit(*reader, each)) {
                refused = true;
            } else if (each.offset > reader->low.load(std::memory_order_relaxed)) {
                reader->behind = each.offset;
            }
        }
        done.ec = refused ? make_error_code(errc::not_assigned) : std::error_code();
        done.completed(done);
    }

    void settled(std::uint32_t epoch) noexcept override {
        bool revoked = false;
        {
            const std::lock_guard lock(broker_->guard_);
            if (told_ == signal::none || epoch != told_epoch_) {
                return;
            }
            if (std::exchange(told_, signal::none) == signal::revoked) {
                for (const topic_partition& each : told_partitions_) {
                    group_->release(group_->shares().find(each)->second);
                }
                group_->rebalance();
                revoked = true;
            }
            member_.call();
        }
        revoked ? readers_.depart() : readers_.arrive();
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
        readers_.depart_all();
    }

private:
    /// Promises a wake, unless there is something after all.
    [[nodiscard]] auto nothing_comes(bool messages_wanted) noexcept -> bool {
        member_.gate.arm();
        return !member_.attention.load(std::memory_order_seq_cst) &&
               (!messages_wanted || readers_.dry());
    }

    // --- signals

    [[nodiscard]] auto next_signal() noexcept -> std::optional<polled> {
        std::optional<polled> told;
        std::int64_t lost = 0;
        operation* left = nullptr;
        {
            const std::lock_guard lock(broker_->guard_);
            if (left_) {
                return polled{signal::closed, 0, 0, {}, {}};
            }
            member_.attention.store(false, std::memory_order_seq_cst);
            if (told_ != signal::none) {
                return std::nullopt; // `settled` calls again
            }
            try {
                told = broken_ && closing_ == nullptr ? fail() : tell_revoked();
                told = told ? told : tell_assigned(lost);
            } catch (const std::bad_alloc&) {
                broken_ = true;
                told = fail();
                readers_.arrive(); // what was told halfway can still be given up
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
        told_partitions_.reserve(readers_.size());
        readers_.reserve(0);
        for (auto& [where, share] : group_->shares()) {
            if (share.owner == &member_ && share.at == memory_share::place::leaving) {
                share.at = memory_share::place::leaves;
                told_partitions_.push_back(where);
                readers_.go(where);
            }
        }
        if (told_partitions_.empty()) {
            return std::nullopt;
        }
        return tell(signal::revoked, group_->next_epoch());
    }
    [[nodiscard]] auto tell_assigned(std::int64_t& lost) -> std::optional<polled> {
        told_partitions_.clear();
        told_committed_.clear();
        const std::uint32_t epoch = group_->next_epoch();
        for (auto& [where, share] : group_->shares()) {
            if (share.owner == &member_ && share.at == memory_share::place::granted) {
                told_partitions_.push_back(where);
                readers_.reserve(told_partitions_.size());
                if (position known = share.partition->committed(group_); !known.metadata.empty()) {
                    told_committed_.push_back(std::move(known));
                }
                auto made = readers_.make(*share.partition, *share.cursor, member_.gate);
                lost += begin(*made, where, epoch, share.begin());
                readers_.come(std::move(made));
                share.at = memory_share::place::owned;
            }
        }
        if (told_partitions_.empty() && !member_.to_greet) {
            return std::nullopt;
        }
        member_.to_greet = false;
        polled told = tell(signal::assigned, epoch);
        told.committed = told_committed_;
        return told;
    }
    [[nodiscard]] auto begin(memory_reader& reader, const topic_partition& where,
                             std::uint32_t epoch, start_at from) -> std::int64_t {
        reader.where = where;
        reader.epoch = epoch;
        reader.how =
            group_ == broker_->first_group_ ? memory_reading::original : memory_reading::borrowed;
        const std::int64_t lost = reader.partition->own(*reader.cursor, &member_.gate, epoch, from);
        reader.partition->attach(reader);
        return lost;
    }
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
        for (const companion& each : wanted.companions) {
            memory_topic& leader = broker_->topic_locked(each.of, options_);
            transport_options like = options_;
            like.partitions = leader.size();
            group_->know(broker_->topic_locked(each.topic, like), leader);
        }
        member_.companions = wanted.companions;
        member_.topics = std::move(topics);
        member_.to_greet = true;
        member_.call();
        group_->rebalance();
    }

    // --- the end

    void resign() noexcept {
        {
            const std::lock_guard lock(broker_->guard_);
            if (!std::exchange(left_, true)) {
                group_->expel(member_);
                member_.attention.store(true, std::memory_order_seq_cst);
            }
        }
        broker_->serve(*group_);
    }
    std::shared_ptr<memory_broker> broker_;
    transport_options options_;
    memory_group* group_;
    memory_member member_; ///< after `readers_` is gone, nobody knows its gate
    memory_readers readers_;
    std::vector<topic_partition> told_partitions_;
    std::vector<position> told_committed_;
    signal told_ = signal::none;
    std::uint32_t told_epoch_ = 0;
    operation* closing_ = nullptr;
    bool left_ = false;
    bool broken_ = false;
};

} // namespace cobus::detail
