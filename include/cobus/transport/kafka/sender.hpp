#pragma once

#include "admin.hpp"
#include "client.hpp"
#include "envelope.hpp"
#include "refusals.hpp"
#include "renewal.hpp"
#include "resend.hpp"
#include "session.hpp"
#include "transactions.hpp"
#include "under_way.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace cobus::detail::kafka {

/// Gives messages to a client, hears what became of them, and sends again what came back: after a
/// client that failed, a batch that was refused, a transaction that was given up. Of the producer's
/// runs, but for what says that it is of any thread.
class sender {
public:
    using clock = std::chrono::steady_clock;

    sender(const transport_options& options, std::shared_ptr<cluster_watch> watch, conf_ptr conf,
           under_way& nodes, waker& runs)
        : how_(options.how),
          keep_{options.wait_limit, options.spool_behind, longest_transaction(conf.get())},
          watch_(std::move(watch)),
          nodes_(&nodes),
          runs_(&runs),
          conf_(std::move(conf)),
          session_(std::make_unique<session>(conf_ptr(rd_kafka_conf_dup(conf_.get())), watch_)),
          transactional_(session_->in_transactions() != nullptr),
          creates_(options.create_topics),
          admin_(session_->owner(), session_->queue(), options) {}

    void open() noexcept { session_->wakes(*runs_); }
    void silence() noexcept { session_->silence(); }
    [[nodiscard]] auto client_of() const noexcept -> const std::shared_ptr<client>& {
        return session_->owner();
    }
    /// The cluster answers again.
    void connected() { admin_.connected(); }

    // Of any thread.

    /// Publishers have to wait in line behind what goes again.
    [[nodiscard]] auto busy() const noexcept -> bool { return resend_.active(); }
    [[nodiscard]] auto transactional() const noexcept -> bool { return transactional_; }
    /// For how long the cluster has not answered what a transaction asks beside its messages.
    [[nodiscard]] auto transaction_waits(clock::time_point now) const noexcept -> clock::duration {
        const auto since = clock::time_point(clock::duration(asking_since_.load()));
        return since == clock::time_point() ? clock::duration() : now - since;
    }
    /// Makes the topic if it is missing and that is wanted.
    void create(const std::string* topic) {
        if (creates_) {
            admin_.want(topic);
        }
    }
    /// Gives the node to librdkafka. After `pending` it is no longer ours to look at. While not
    /// `busy`, by a publisher that counts as inside.
    [[nodiscard]] auto send(publish_node& node) noexcept -> taken;

    // Of the runs.

    /// Reads some of what librdkafka has to tell. True: there may be more.
    auto serve_events() noexcept -> bool;
    /// Does what follows from it. Returns when to look again; far away: when woken.
    auto settle() noexcept -> clock::time_point;
    /// Commits what was sent, in transactions. Returns the same.
    auto commit() noexcept -> clock::time_point;
    /// Asks the cluster what is to be asked.
    void ask() noexcept { watch_->questions().serve(session_->get(), session_->owner()); }
    /// Everything that is left fails now; the reports tell what may have been sent.
    void give_up() noexcept;
    /// Tells the publisher.
    void ended(publish_node& node) noexcept {
        node.completed(node);
        left(1);
    }

private:
    static constexpr int events_per_run = 64;
    static constexpr clock::time_point never = (clock::time_point::max)();

    void left(std::uint64_t count) noexcept {
        if (nodes_->drop(count)) {
            runs_->wake();
        }
    }

    void read_reports() noexcept;
    [[nodiscard]] auto is_kept(const rd_kafka_message_t& report, publish_node& node) noexcept
        -> bool;
    void look_for_end() noexcept;
    void give_up_for(std::error_code cause) noexcept {
        if (!gave_up_.load()) {
            ended_with_ = cause;
            gave_up_.store(true);
        }
    }
    /// Any thread.
    [[nodiscard]] auto ended_with() const noexcept -> std::error_code {
        return gave_up_.load() ? ended_with_ : std::error_code();
    }
    void purge(int more) noexcept {
        rd_kafka_purge(session_->get(),
                       RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING | more);
    }
    [[nodiscard]] auto send_again() noexcept -> clock::time_point;
    void replace() noexcept;

    void end_transaction() noexcept;
    [[nodiscard]] auto take_transaction_back() noexcept -> bool;
    void not_confirmed(const transactions& those, publish_node& node) noexcept;

    wire how_;
    keep_limits keep_;
    std::shared_ptr<cluster_watch> watch_;
    under_way* nodes_;
    waker* runs_;
    conf_ptr conf_; ///< of each session
    /// Used by a publisher while it counts as inside and `resend_` is not active, and else by the
    /// runs.
    std::unique_ptr<session> session_;
    const bool transactional_;
    bool creates_;
    admin admin_;
    std::atomic<std::uint64_t> turns_{0};
    std::atomic<bool> gave_up_{false}; ///< the client failed for good, or a stop's time is up
    std::error_code ended_with_;       ///< once `gave_up_`
    std::atomic<std::int64_t> asking_since_{0};

    refusals refusals_; // of the runs, as what follows
    renewal_limit limit_;
    resend resend_;
    unread_reports reports_;
    bool batch_failed_ = false; ///< that of the reports
};

inline auto sender::send(publish_node& node) noexcept -> taken {
    if (transactional_ && !session_->open()) {
        node.ec = ended_with();
        return node.ec ? taken::done : taken::full;
    }
    try {
        message& content = *node.content;
        encoded out;
        if (const codec_result made = encode(content, how_, out); !made.ok()) {
            node.ec = content.contract() != nullptr && !content.contract()->has_codec
                          ? errc::no_codec
                          : errc::not_encodable;
            watch_->log(log_level::warning, "an event of type '" + std::string(content.type()) +
                                                "' was not encoded: " + made.problem());
            return taken::done;
        }
        // What waits, waits in librdkafka's queue: one that timed out would come back late.
        const auto keep = keep_.of(node.when_away);
        bool first_use = false;
        rd_kafka_topic_t* topic = session_->topic(content.interned_topic(), keep, first_use);
        if (topic == nullptr) {
            node.ec = errc::no_topic;
            return taken::done;
        }
        if (first_use) {
            watch_->questions().want(content.interned_topic());
            create(content.interned_topic());
        }
        node.where.id(content.id());
        node.where.topic(content.interned_topic());
        node.turn = turns_.fetch_add(1, std::memory_order_relaxed);
        const taken what = session_->send(node, topic, out);
        if (what == taken::done && node.ec == errc::fatal && !gave_up_.load()) {
            node.ec.clear(); // the runs are about to hear of it, and make another client
            return taken::full;
        }
        return what;
    } catch (const std::bad_alloc&) {
        node.ec = std::make_error_code(std::errc::not_enough_memory);
    } catch (...) { // a user's encoder
        node.ec = errc::not_encodable;
    }
    return taken::done;
}

inline auto sender::serve_events() noexcept -> bool {
    for (int i = 0; i < events_per_run; ++i) {
        if (reports_.none()) {
            event_ptr event(rd_kafka_queue_poll(session_->queue(), 0));
            if (!event) {
                return false;
            }
            switch (rd_kafka_event_type(event.get())) {
            case RD_KAFKA_EVENT_DR:
                break;
            case RD_KAFKA_EVENT_ERROR:
                read_error(session_->get(), event.get(), *watch_);
                continue;
            default:
                admin_.answered(event.get());
                continue;
            }
            reports_.open(std::move(event));
        }
        read_reports();
        if (!reports_.none()) {
            return true; // first the publishers hear of these
        }
    }
    return true;
}

inline void sender::read_reports() noexcept {
    std::uint64_t count = 0;
    reports_.read([&](const rd_kafka_message_t& report) {
        publish_node& node = refusals_.read(session_->get(), report, *watch_);
        batch_failed_ = batch_failed_ || report.err != RD_KAFKA_RESP_ERR_NO_ERROR;
        // Reports of the end may come before the event that tells of it.
        report.err != RD_KAFKA_RESP_ERR_NO_ERROR ? look_for_end() : limit_.worked();
        if (!is_kept(report, node)) {
            ++count;
            node.completed(node);
        }
    });
    if (reports_.none() && std::exchange(batch_failed_, false)) {
        resend_.batch_failed();
    }
    left(count);
}

/// Whether more becomes of it than its report says.
inline auto sender::is_kept(const rd_kafka_message_t& report, publish_node& node) noexcept -> bool {
    if (gave_up_) {
        return false;
    }
    if (transactions* const those = session_->in_transactions()) {
        if (report.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            those->keep(node);
            return true;
        }
        const bool own = report.err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
                         report.err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
        those->failed();
        resend_.transaction_failed(own);
    }
    return resend_.keeps(report.err, rd_kafka_message_status(&report), node, nodes_->closed());
}

inline auto sender::settle() noexcept -> clock::time_point {
    look_for_end();
    end_transaction();
    return resend_.active() ? send_again() : never;
}

/// The client sends nothing any more. All that it has comes back; then another one takes its place,
/// and gets first what was certainly not sent or is to reach Kafka by all means.
inline void sender::look_for_end() noexcept {
    const rd_kafka_resp_err_t cause = session_->end();
    if (cause == RD_KAFKA_RESP_ERR_NO_ERROR || resend_.client_is_lost() || gave_up_) {
        return; // the next one may fail as well, before it has got everything
    }
    bool fenced = false;
    if (transactions* const those = session_->in_transactions()) {
        fenced = those->fenced(cause, keep_.longest, clock::now());
        those->lose();
    }
    if (fenced || forbids_publishing(cause) || nodes_->closed() ||
        !limit_.may_renew(clock::now())) {
        give_up_for(publish_error(cause));
        refusals::tell_end(cause, session_->end_text(), *watch_);
        return;
    }
    watch_->log(log_level::error, "the producer failed and is replaced: " + session_->end_text());
    resend_.client_failed();
    purge(RD_KAFKA_PURGE_F_INFLIGHT);
}

inline auto sender::send_again() noexcept -> clock::time_point {
    const clock::time_point soon = clock::now() + std::chrono::milliseconds(10);
    if (resend_.recalls()) {
        // Publishers that come from now on wait in line.
        if (nodes_->inside() || session_->held() > 0) {
            purge(resend_.client_is_lost() ? RD_KAFKA_PURGE_F_INFLIGHT : 0); // what slipped in
            return soon;
        }
        if (!take_transaction_back()) {
            return never; // the end of a call wakes
        }
        if (resend_.replaces()) {
            replace();
        }
        resend_.recalled();
        end_transaction();
    }
    while (publish_node* const node = resend_.next(session_->empty())) {
        publish_node* const after = node->next;
        const taken what = send(*node);
        if (what == taken::full) {
            return soon;
        }
        resend_.went(node, after, what == taken::pending);
        if (what == taken::done) {
            ended(*node);
        }
    }
    return resend_.active() ? soon : never;
}

inline void sender::replace() noexcept {
    try {
        auto next = std::make_unique<session>(conf_ptr(rd_kafka_conf_dup(conf_.get())), watch_);
        next->wakes(*runs_);
        admin_.use(next->owner(), next->queue());
        session_ = std::move(next);
    } catch (...) { // the old one stays, and refuses every message
        give_up_for(errc::fatal);
        watch_->fatal(RD_KAFKA_RESP_ERR__FATAL, "no other producer could be made");
    }
}

inline void sender::give_up() noexcept {
    give_up_for(errc::timed_out);
    resend_.drain([this](publish_node& node) {
        node.ec = errc::timed_out;
        ended(node);
    });
    end_transaction();
    purge(RD_KAFKA_PURGE_F_INFLIGHT);
}

/// Hears how one ended: its publishers do, or all of it comes back. Begins another.
inline void sender::end_transaction() noexcept {
    transactions* const those = session_->in_transactions();
    if (those == nullptr) {
        return;
    }
    const bool failed = those->hear(clock::now(), [this](publish_node& node) { ended(node); });
    look_for_end();
    if (failed && !those->lost()) {
        classify(those->cause()) == condition::permanent ? resend_.transaction_refused()
                                                         : resend_.transaction_failed(false);
    }
    if (gave_up_) {
        those->drain([this, those](publish_node& node) { not_confirmed(*those, node); });
    }
    if (!resend_.recalls() && !those->begin()) {
        look_for_end();
    }
}

/// What of a transaction that was given up the cluster has had goes again, too. False: not yet.
inline auto sender::take_transaction_back() noexcept -> bool {
    transactions* const those = session_->in_transactions();
    if (those == nullptr) {
        return true;
    }
    if (!those->over()) {
        return false;
    }
    those->drain([this, those](publish_node& node) { not_confirmed(*those, node); });
    if (publish_node* const refused = resend_.culprit()) {
        refused->ec = publish_error(those->cause());
        ended(*refused);
    }
    return true;
}

/// Readers will not see it by this transaction, unless they do already.
inline void sender::not_confirmed(const transactions& those, publish_node& node) noexcept {
    const bool again =
        !those.unclear() || goes_again(RD_KAFKA_RESP_ERR__TIMED_OUT,
                                       RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED, node.when_away);
    if (again && !gave_up_) {
        resend_.returns_kept(node);
        return;
    }
    node.ec = those.unclear() ? std::error_code(errc::maybe_sent) : ended_with();
    ended(node);
}

inline auto sender::commit() noexcept -> clock::time_point {
    transactions* const those = session_->in_transactions();
    if (those == nullptr) {
        return never;
    }
    const clock::time_point due = those->go_on(session_->held() > 0, clock::now());
    asking_since_.store(
        those->asks_since().value_or(clock::time_point()).time_since_epoch().count());
    return due;
}

} // namespace cobus::detail::kafka
