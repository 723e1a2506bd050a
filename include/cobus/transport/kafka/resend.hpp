#pragma once

#include "../transport.hpp"
#include "error.hpp"
#include "renewal.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <limits>
#include <utility>

namespace cobus::detail::kafka {

/// Whether a broker refused a whole batch for what is wrong with one of its messages, or with
/// their size together.
[[nodiscard]] constexpr auto blames_batch(rd_kafka_resp_err_t code) noexcept -> bool {
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_INVALID_RECORD || code == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

/// What comes back from librdkafka and goes there again, in the order of the first time: all that a
/// client had that failed, for the one in its place; and what shared a batch with a message that
/// the broker refused, to find out which that was. The latter goes again in parts, each half as
/// large as the one that was refused, and after a good one twice as large; who is refused alone, is
/// meant. Of the runs, but for `active`.
class resend {
public:
    /// Publishers have to wait in line. Any thread.
    [[nodiscard]] auto active() const noexcept -> bool { return active_.load(); }
    /// librdkafka is to give back all that it has.
    [[nodiscard]] auto recalls() const noexcept -> bool { return recalls_; }
    /// It failed, so that this includes what is on its way.
    [[nodiscard]] auto client_is_lost() const noexcept -> bool { return recalls_ && lost_; }
    /// Another client is to take the place of this one, as soon as it has given back all.
    [[nodiscard]] auto replaces() const noexcept -> bool { return lost_ || aged_; }

    void client_failed() noexcept {
        lost_ = true;
        recall();
    }
    /// A batch failed: librdkafka's next epoch begins. They end at 32,767, and a client before.
    void batch_failed() noexcept {
        if (++epochs_ == most_epochs) {
            aged_ = true;
            recall();
        }
    }
    /// The transaction is given up: all that is in it comes back. `own`: by a message of it, which
    /// has a report that says so.
    void transaction_failed(bool own) noexcept {
        aborts_ = true;
        blamed_ = blamed_ || own;
        recall();
    }
    /// The same, as the cluster refuses something for good, and does not say which.
    void transaction_refused() noexcept {
        aborts_ = true;
        suspicious_ = suspicious_ || !blamed_;
        recall();
    }
    /// The one message of a transaction that was refused: nobody else can be meant. Null: there is
    /// more, or nothing, or no such refusal.
    [[nodiscard]] auto culprit() noexcept -> publish_node* {
        if (!aborts_ || !suspicious_ || blamed_ || returned_ != 1) {
            return nullptr;
        }
        returned_ = 0;
        publish_node& node = back_.front();
        back_.drop_front(nullptr);
        return &node;
    }
    /// What the cluster has and readers will not see goes again, too.
    void returns_kept(publish_node& node) noexcept {
        node.ec.clear();
        back_.push(node);
        ++returned_;
    }
    /// Whether this one goes again, which has been kept then.
    [[nodiscard]] auto keeps(rd_kafka_resp_err_t code, rd_kafka_msg_status_t status,
                             publish_node& node, bool stopping) noexcept -> bool {
        const bool alone = &node == alone_;
        if (alone) {
            alone_ = nullptr;
        }
        if (blames_batch(code)) {
            if (alone) {
                return false;
            }
            suspicious_ = true;
            recall();
        } else if (!recalls_ || !returns(code, status, node.when_away) || (lost_ && stopping)) {
            return false;
        }
        returns_kept(node);
        return true;
    }
    /// librdkafka has given back all.
    void recalled() noexcept {
        back_.sort();
        again_.put_before(back_); // they are older than what it had not got yet
        if (suspicious_) {
            part_ = (std::max)(std::size_t{1}, (std::min)(returned_, part_) / 2);
        }
        epochs_ = replaces() ? 0 : epochs_;
        sent_ = returned_ = 0;
        recalls_ = lost_ = aged_ = suspicious_ = aborts_ = blamed_ = false;
    }
    /// The next to send; null: none now, or none at all.
    [[nodiscard]] auto next(bool nothing_held) noexcept -> publish_node* {
        if (again_.empty()) {
            part_ = everything;
            active_.store(false);
            return nullptr;
        }
        if (sent_ == part_) {
            if (!nothing_held) {
                return nullptr;
            }
            part_ *= 2;
            sent_ = 0;
        }
        return &again_.front();
    }
    /// It went, and a report will come of it or not. `after`: the one behind it, as it was before.
    void went(const publish_node* node, publish_node* after, bool pending) noexcept {
        again_.drop_front(after);
        ++sent_;
        alone_ = part_ == 1 && pending ? node : nullptr;
    }
    /// Hands over all that has come back.
    template <class Each> void drain(Each each) noexcept {
        again_.put_before(back_);
        again_.drain(each);
    }

private:
    static constexpr std::size_t everything = (std::numeric_limits<std::size_t>::max)() / 2;
    static constexpr std::size_t most_epochs = 16'000;

    void recall() noexcept {
        recalls_ = true;
        active_.store(true);
    }
    [[nodiscard]] auto returns(rd_kafka_resp_err_t code, rd_kafka_msg_status_t status,
                               policy when_away) const noexcept -> bool {
        const bool asked_for =
            code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
        // Of a transaction that is given up nothing can be seen, whatever the log has.
        const bool unseen = asked_for && aborts_ && !lost_;
        return unseen || ((lost_ || asked_for) && goes_again(code, status, when_away));
    }

    std::atomic<bool> active_{false};
    bool recalls_ = false;
    bool lost_ = false;
    bool aged_ = false;
    bool aborts_ = false;     ///< a transaction
    bool blamed_ = false;     ///< a message of it, which has heard of it
    bool suspicious_ = false; ///< one of those that come back is to be found
    std::size_t part_ = everything;
    std::size_t sent_ = 0;     ///< of the part
    std::size_t returned_ = 0; ///< of those that come back
    std::size_t epochs_ = 0;
    const publish_node* alone_ = nullptr; ///< all that librdkafka has
    unsent again_;                        ///< for librdkafka
    unsent back_;                         ///< from it
};

} // namespace cobus::detail::kafka
