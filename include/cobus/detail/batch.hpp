#pragma once

#include "submit.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cobus {

/// What became of one event of `publish_all`.
struct publish_result {
    std::error_code ec;
    receipt where;
};

namespace detail {

/// Many publishes with one end. Events of one key go one after another, so that a failure keeps
/// those behind it from overtaking; different keys go at once.
class batch final : public std::enable_shared_from_this<batch> {
public:
    using results = std::vector<publish_result>;
    using waiter = completion<results>;

    explicit batch(std::shared_ptr<bus_core> core) : core_(std::move(core)) {}
    batch(const batch&) = delete;
    auto operator=(const batch&) -> batch& = delete;
    ~batch() { drop(); }

    [[nodiscard]] auto core() const noexcept -> const std::shared_ptr<bus_core>& { return core_; }

    void add(prepared what) {
        const message& content = *what.content;
        const std::size_t index = items_.size();
        if (const auto key = content.key()) {
            std::string lane(content.topic());
            lane.append("\0", 1).append(*key);
            const auto [last, first] = last_of_.try_emplace(std::move(lane), index);
            if (!first) {
                items_[std::exchange(last->second, index)].follower = index;
                items_.push_back(item{std::move(what), none, true});
                return;
            }
        }
        items_.push_back(item{std::move(what), none, false});
    }

    /// Submits; `who` hears when all have ended. Called once.
    void start(waiter& who) {
        who_ = &who;
        last_of_.clear();
        results_.resize(items_.size());
        left_.store(items_.size() + 1, std::memory_order_relaxed);
        const auto self = shared_from_this();
        for (std::size_t i = 0; i < items_.size(); ++i) {
            if (!items_[i].follows) {
                run(i);
            }
        }
        ended(1);
    }

    /// Withdraws what was not sent and submits nothing more.
    void cancel() {
        cancelled_.store(true, std::memory_order_release);
        for (item& each : items_) {
            publish_op* op = each.under_way.load(std::memory_order_acquire);
            if (op == nullptr) {
                continue;
            }
            std::error_code ec;
            receipt where;
            if (publish_op::waiter* told =
                    core_->publishes().cancel(*op, each.generation, ec, where)) {
                told->complete(core_->executor(), false, ec, std::move(where));
            }
        }
    }

private:
    static constexpr std::size_t none = SIZE_MAX;

    struct item {
        prepared what;
        std::size_t follower;
        bool follows;
        std::atomic<publish_op*> under_way{nullptr};
        std::uint64_t generation = 0;

        item(prepared made, std::size_t next, bool behind)
            : what(std::move(made)), follower(next), follows(behind) {}
        item(item&& other) noexcept // only while the batch is built, by one thread
            : what(std::move(other.what)), follower(other.follower), follows(other.follows) {}
    };

    class item_waiter final : public completion<std::error_code, receipt> {
    public:
        item_waiter(std::shared_ptr<batch> of, std::size_t index)
            : completion(&run, &drop), of_(std::move(of)), index_(index) {}

    private:
        static void run(completion* self, const net::any_io_executor* /*here*/,
                        bool /*inline_allowed*/, std::error_code ec, receipt where) {
            auto* me = static_cast<item_waiter*>(self);
            const std::shared_ptr<batch> of = std::move(me->of_);
            const std::size_t index = me->index_;
            pool_delete(me);
            of->items_[index].under_way.store(nullptr, std::memory_order_release);
            of->finish(index, ec, std::move(where));
        }
        static void drop(completion* self) noexcept {
            auto* me = static_cast<item_waiter*>(self);
            const std::shared_ptr<batch> of = std::move(me->of_);
            pool_delete(me);
            of->drop();
        }

        std::shared_ptr<batch> of_;
        std::size_t index_;
    };

    /// Submits an event, and those behind it as long as they end at once.
    void run(std::size_t index) {
        while (index != none) {
            item& each = items_[index];
            if (cancelled_.load(std::memory_order_acquire)) {
                finish(index, net::error::operation_aborted, receipt());
                return;
            }
            publisher& all = core_->publishes();
            publish_op& op = each.what.take();
            each.generation = op.generation;
            auto* told = pool_new<item_waiter>(shared_from_this(), index);
            if (all.submit(op, true) != taken::done) {
                each.under_way.store(&op, std::memory_order_release);
                if (all.attach(op, *told)) {
                    return;
                }
                each.under_way.store(nullptr, std::memory_order_release);
            }
            pool_delete(told);
            receipt where;
            const std::error_code ec = all.collect(op, where);
            index = settle(index, ec, std::move(where));
        }
    }
    void finish(std::size_t index, std::error_code ec, receipt where) {
        run(settle(index, ec, std::move(where)));
    }
    /// Notes a result; the next of the chain to submit, or none.
    [[nodiscard]] auto settle(std::size_t index, std::error_code ec, receipt where) -> std::size_t {
        results_[index] = publish_result{ec, std::move(where)};
        const std::size_t next = items_[index].follower;
        std::size_t count = 1;
        if (ec) {
            const bool aborted = ec == std::error_code(net::error::operation_aborted);
            for (std::size_t behind = next; behind != none; behind = items_[behind].follower) {
                results_[behind].ec = aborted ? ec : make_error_code(errc::behind_failed);
                ++count;
            }
        }
        ended(count);
        return ec ? none : next;
    }
    /// The context is gone. The frame that waits may hold this batch, and would keep it for ever.
    void drop() noexcept {
        if (waiter* const who = std::exchange(who_, nullptr)) {
            who->destroy();
        }
    }
    void ended(std::size_t count) {
        if (left_.fetch_sub(count, std::memory_order_acq_rel) == count) {
            std::exchange(who_, nullptr)->complete(core_->executor(), false, std::move(results_));
        }
    }

    std::shared_ptr<bus_core> core_;
    std::vector<item> items_;
    std::unordered_map<std::string, std::size_t> last_of_;
    results results_;
    std::atomic<std::size_t> left_{0};
    std::atomic<bool> cancelled_{false};
    waiter* who_ = nullptr;
};

class initiate_batch {
public:
    explicit initiate_batch(std::shared_ptr<batch> all) noexcept : all_(std::move(all)) {}

    template <class Handler> void operator()(Handler&& handler) {
        auto slot = net::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) {
            slot.assign([all = std::weak_ptr<batch>(all_)](net::cancellation_type type) {
                if (const auto running = all.lock();
                    running && type != net::cancellation_type::none) {
                    running->cancel();
                }
            });
        }
        auto* who =
            erase_handler<batch::results>(std::forward<Handler>(handler), all_->core()->executor());
        all_->start(*who);
    }

private:
    std::shared_ptr<batch> all_;
};

} // namespace detail
} // namespace cobus
