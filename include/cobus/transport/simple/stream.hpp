#pragma once

#include "receiver.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// The one member of a simple transport's group.
class simple_stream final : public stream {
public:
    simple_stream(std::shared_ptr<simple_transport> from, const net::any_io_executor& strand,
                  interest wanted, waker& ready)
        : from_(std::move(from)),
          receiver_(std::make_shared<simple_receiver>(from_, strand, ready)),
          wanted_(std::move(wanted)) {
        receiver_->turn_to(wanted_);
    }
    ~simple_stream() override { receiver_->end(); }

    auto poll(std::span<delivery> room) noexcept -> polled override {
        try {
            if (told_ == signal::none) {
                if (polled told = next_signal(); told.what != signal::none) {
                    return told;
                }
            }
            using verdict = simple_receiver::verdict;
            polled got;
            got.count = receiver_->take(room, [this](delivery& each) {
                const share* in = find(each.where);
                if (in == nullptr) {
                    return verdict::drop;
                }
                each.epoch = in->epoch;
                each.in_process = false;
                return in->held || in->leaving ? verdict::keep : verdict::take;
            });
            got.what = got.count > 0 ? signal::messages : signal::none;
            if (!shares_.empty() && !closing_) {
                receiver_->go_on();
            }
            if (const std::error_code ec = receiver_->error(); ec && got.count == 0) {
                return {signal::failed, 0, 0, {}, ec};
            }
            return got;
        } catch (const std::exception&) {
            return {signal::failed, 0, 0, {}, std::make_error_code(std::errc::not_enough_memory)};
        }
    }
    void give_back(std::span<delivery> finished) noexcept override {
        for (const delivery& each : finished) {
            pool_delete(each.content);
        }
    }
    void hold(const topic_partition& where, bool held) noexcept override {
        if (share* found = find(where)) {
            found->held = held;
            receiver_->wake();
        }
    }
    void commit(std::span<const position> positions, std::uint32_t epoch,
                operation& done) noexcept override {
        const bool mine = std::all_of(positions.begin(), positions.end(), [&](const auto& each) {
            const share* found = find(each.where);
            return found != nullptr && found->epoch == epoch;
        });
        try {
            if (mine) {
                receiver_->commit({positions.begin(), positions.end()}, done);
                return;
            }
            done.ec = errc::not_assigned;
        } catch (const std::exception&) {
            done.ec = std::make_error_code(std::errc::not_enough_memory);
        }
        done.completed(done);
    }
    void settled(std::uint32_t epoch) noexcept override {
        if (told_ == signal::none || epoch != epoch_) {
            return;
        }
        if (std::exchange(told_, signal::none) == signal::revoked) {
            std::erase_if(shares_, [](const share& each) { return each.leaving; });
        }
        receiver_->wake();
    }
    void update(const interest& wanted) noexcept override {
        try {
            wanted_ = wanted;
            changed_ = true;
            receiver_->turn_to(wanted_);
            receiver_->wake();
        } catch (const std::exception&) { // the next change tries again
        }
    }
    void close(operation& done) noexcept override {
        closing_ = &done;
        receiver_->wake();
    }
    void abandon() noexcept override { receiver_->end(); }

private:
    struct share {
        topic_partition where;
        std::uint32_t epoch = 0;
        bool held = false;
        bool leaving = false;
    };

    [[nodiscard]] auto find(const topic_partition& where) noexcept -> share* {
        const auto found = std::find_if(shares_.begin(), shares_.end(),
                                        [&](const share& each) { return each.where == where; });
        return found != shares_.end() ? &*found : nullptr;
    }
    [[nodiscard]] auto next_signal() -> polled {
        if (closed_) {
            return {signal::closed, 0, 0, {}, {}};
        }
        if (closing_ != nullptr) {
            if (!shares_.empty()) {
                return revoke([](const share& /*each*/) { return true; });
            }
            closed_ = true;
            receiver_->end();
            operation& done = *std::exchange(closing_, nullptr);
            done.ec.clear();
            done.completed(done); // may destroy this
            return {signal::closed, 0, 0, {}, {}};
        }
        if (!changed_) {
            return {};
        }
        const auto unwanted = [this](const share& each) {
            return std::find(wanted_.topics.begin(), wanted_.topics.end(), each.where.topic) ==
                   wanted_.topics.end();
        };
        if (std::any_of(shares_.begin(), shares_.end(), unwanted)) {
            return revoke(unwanted);
        }
        return assign();
    }
    template <class Predicate>
    [[nodiscard]] auto revoke(Predicate which) -> polled {
        partitions_.clear();
        for (share& each : shares_) {
            if (which(each)) {
                partitions_.push_back(each.where);
                each.leaving = true;
            }
        }
        return tell(signal::revoked);
    }
    [[nodiscard]] auto assign() -> polled {
        partitions_.clear();
        for (const std::string* topic : wanted_.topics) {
            for (std::int32_t i = 0; i < from_->partitions(*topic); ++i) {
                if (find({topic, i}) == nullptr) {
                    shares_.push_back({{topic, i}, epoch_ + 1, false, false});
                    partitions_.push_back({topic, i});
                }
            }
        }
        changed_ = false;
        return tell(signal::assigned);
    }
    [[nodiscard]] auto tell(signal what) -> polled {
        told_ = what;
        return {what, 0, ++epoch_, partitions_, {}};
    }

    std::shared_ptr<simple_transport> from_;
    std::shared_ptr<simple_receiver> receiver_;
    interest wanted_;
    bool changed_ = true; ///< the interest, since the last assignment
    std::vector<share> shares_;
    std::vector<topic_partition> partitions_; ///< told last
    signal told_ = signal::none;              ///< and not yet settled
    std::uint32_t epoch_ = 0;
    operation* closing_ = nullptr;
    bool closed_ = false;
};

} // namespace cobus::detail
