#pragma once

#include "../../detail/helper.hpp"
#include "../transport.hpp"
#include "client.hpp"
#include "handle.hpp"
#include "renewal.hpp"
#include "transaction_turn.hpp"

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace cobus::detail::kafka {

/// The transactions of a producing client with a `transactional.id`, one behind the other. With
/// such an id the cluster refuses everything that an earlier client of that id still has on its way
/// (KIP-98), so that no late copy of an older event can come behind newer ones. The calls block, so
/// the helper makes them. Of the runs, but for what says otherwise.
class transactions {
public:
    using clock = std::chrono::steady_clock;

    explicit transactions(std::shared_ptr<client> of) : client_(std::move(of)) {}
    transactions(const transactions&) = delete;
    auto operator=(const transactions&) -> transactions& = delete;
    ~transactions() { leave(); }

    /// Told when a call has ended.
    void wakes(waker& who) noexcept { news_->use(&who); }
    void silence() noexcept { news_->use(nullptr); }

    /// Messages may be given to the client. Any thread.
    [[nodiscard]] auto open() const noexcept -> bool { return open_.load(); }
    /// The cluster has it, but readers of committed messages do not see it yet.
    void keep(publish_node& node) noexcept { unconfirmed_.push(node); }
    [[nodiscard]] auto keeps_any() const noexcept -> bool { return !unconfirmed_.empty(); }
    /// What is kept; `unclear()` says whether readers may see it nevertheless.
    template <class Each> void drain(Each each) noexcept { unconfirmed_.drain(each); }
    [[nodiscard]] auto unclear() const noexcept -> bool { return turn_.unclear(); }

    /// A message of the open one failed.
    void failed() noexcept {
        turn_.failed();
        open_.store(turn_.open());
    }
    void lose() noexcept {
        turn_.lose();
        open_.store(turn_.open());
    }
    /// Nothing of the last one is open any more, and nothing is being asked for.
    [[nodiscard]] auto over() const noexcept -> bool {
        return turn_.quiet() || (turn_.open() && !used_since_);
    }
    [[nodiscard]] auto lost() const noexcept -> bool { return turn_.lost(); }
    /// Whether `cause` means that another client took the id. To one whose transaction was open for
    /// longer than `limit` the cluster says the same, having ended the transaction for that.
    [[nodiscard]] auto fenced(rd_kafka_resp_err_t cause, clock::duration limit,
                              clock::time_point now) const noexcept -> bool {
        return cause == RD_KAFKA_RESP_ERR__FENCED && !(used_since_ && now - *used_since_ >= limit);
    }
    /// Why the last transaction was given up, or the client is lost.
    [[nodiscard]] auto cause() const noexcept -> rd_kafka_resp_err_t { return cause_; }
    [[nodiscard]] auto why() const noexcept -> const std::string& { return why_; }
    /// Since when the cluster has not answered what is asked of it beside messages, if it has not:
    /// these may be with brokers that are slow, and slow is not away.
    [[nodiscard]] auto asks_since() const noexcept -> std::optional<clock::time_point> {
        return asks_since_;
    }

    /// Hears of a call that ended. `confirmed(node)` for each that readers see now. True: the
    /// transaction, or the client, is to be given up.
    template <class Confirmed> auto hear(clock::time_point now, Confirmed confirmed) noexcept
        -> bool {
        std::optional<answer> end = news_->take();
        if (!end) {
            return false;
        }
        const bool failed = end->how == transaction_end::abort || end->how == transaction_end::lost;
        if (failed) {
            cause_ = end->code;
            why_ = std::move(end->text);
        }
        turn_.ended(end->how, now);
        if (end->how == transaction_end::done) {
            used_since_.reset();
            if (end->of == transaction_call::commit) {
                drain(confirmed);
            }
        }
        return failed;
    }
    /// Makes the call that is due. `anything`: the client has messages. Returns when to look again.
    auto go_on(bool anything, clock::time_point now) noexcept -> clock::time_point {
        if (!used_since_ && (anything || keeps_any())) {
            used_since_ = now;
        }
        if (const auto what = turn_.next(used_since_.has_value(), now);
            what != transaction_call::none) {
            call(what, now);
        }
        const bool asks = turn_.asks() && !anything;
        asks_since_ = asks ? std::optional(asks_since_.value_or(now)) : std::nullopt;
        open_.store(turn_.open());
        return turn_.due();
    }
    /// Begins the next one, if none is open and it is time to. That takes no call to the cluster.
    /// False: the client is lost.
    [[nodiscard]] auto begin() noexcept -> bool {
        if (!turn_.ready()) {
            return true;
        }
        const error_ptr refused(rd_kafka_begin_transaction(client_->get()));
        if (refused) {
            cause_ = rd_kafka_error_code(refused.get());
            turn_.lose();
        } else {
            turn_.began();
        }
        open_.store(turn_.open());
        return !refused;
    }

private:
    struct answer {
        transaction_call of = transaction_call::none;
        transaction_end how = transaction_end::done;
        rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
        std::string text;
    };
    /// What the helper has to tell.
    class post {
    public:
        void use(waker* who) noexcept {
            const std::lock_guard lock(guard_);
            who_ = who;
        }
        void put(answer&& what) noexcept {
            const std::lock_guard lock(guard_);
            answer_ = std::move(what);
            if (who_ != nullptr) {
                who_->wake();
            }
        }
        [[nodiscard]] auto take() noexcept -> std::optional<answer> {
            const std::lock_guard lock(guard_);
            return std::exchange(answer_, std::nullopt);
        }

    private:
        std::mutex guard_;
        waker* who_ = nullptr;
        std::optional<answer> answer_;
    };

    /// Of one call: others of the process wait for it.
    static constexpr int patience_ms = 200;

    void call(transaction_call what, clock::time_point now) noexcept {
        if (!helper::run(helps::commit, [client = client_, news = news_, what] {
                news->put(made(what, client->get(), patience_ms));
            })) {
            turn_.ended(transaction_end::again, now); // no memory or no thread
        }
    }
    [[nodiscard]] static auto made(transaction_call what, rd_kafka_t* client, int limit_ms) noexcept
        -> answer {
        const error_ptr refused(
            what == transaction_call::init     ? rd_kafka_init_transactions(client, limit_ms)
            : what == transaction_call::commit ? rd_kafka_commit_transaction(client, limit_ms)
                                               : rd_kafka_abort_transaction(client, limit_ms));
        if (!refused) {
            return {what, transaction_end::done, RD_KAFKA_RESP_ERR_NO_ERROR, {}};
        }
        answer end{what, end_of(refused.get()), rd_kafka_error_code(refused.get()), {}};
        try {
            end.text = rd_kafka_error_string(refused.get());
        } catch (...) { // no memory: the code has to do
        }
        return end;
    }
    [[nodiscard]] static auto end_of(const rd_kafka_error_t* why) noexcept -> transaction_end {
        if (rd_kafka_error_is_fatal(why) != 0) {
            return transaction_end::lost;
        }
        if (rd_kafka_error_txn_requires_abort(why) != 0) {
            return transaction_end::abort;
        }
        return rd_kafka_error_is_retriable(why) != 0 ? transaction_end::again
                                                     : transaction_end::lost;
    }

    /// What is left open would keep readers from what others write behind it, until the cluster
    /// ends it.
    void leave() noexcept {
        if (!used_since_ || turn_.lost()) {
            return;
        }
        const auto first = turn_.unclear() ? transaction_call::commit : transaction_call::abort;
        (void)helper::run(helps::commit, [client = client_, first] {
            constexpr std::chrono::seconds patience(1);
            constexpr int slice_ms = 20;
            const queue_ptr reports(rd_kafka_queue_get_main(client->get()));
            const auto until = clock::now() + patience;
            rd_kafka_purge(client->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                              RD_KAFKA_PURGE_F_NON_BLOCKING);
            transaction_call what = first;
            transaction_end how = transaction_end::again;
            while (how != transaction_end::done && how != transaction_end::lost &&
                   clock::now() < until) {
                while (event_ptr(rd_kafka_queue_poll(reports.get(), 0))) { // else no call ends
                }
                how = made(what, client->get(), slice_ms).how;
                what = how == transaction_end::abort ? transaction_call::abort : what;
            }
        });
    }

    std::shared_ptr<client> client_;
    std::shared_ptr<post> news_ = std::make_shared<post>();
    transaction_turn turn_;
    std::optional<clock::time_point> used_since_; ///< since the one that is open has messages
    std::optional<clock::time_point> asks_since_;
    std::atomic<bool> open_{false};
    unsent unconfirmed_;
    rd_kafka_resp_err_t cause_ = RD_KAFKA_RESP_ERR_NO_ERROR;
    std::string why_;
};

} // namespace cobus::detail::kafka
