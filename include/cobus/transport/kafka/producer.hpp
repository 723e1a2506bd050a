#pragma once

#include "admin.hpp"
#include "client.hpp"
#include "envelope.hpp"
#include "refusals.hpp"
#include "renewal.hpp"
#include "resend.hpp"
#include "serial_post.hpp"
#include "session.hpp"
#include "silence.hpp"
#include "under_way.hpp"
#include "waiting_line.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace cobus::detail::kafka {

/// The producing half of the transport: publishes, delivery reports, suspended publishers, and the
/// end of them all. Also carries out what the watch decides, because it lives on the executor.
class producer final : public serial_post {
public:
    using clock = std::chrono::steady_clock;

    producer(const transport_options& options, std::shared_ptr<cluster_watch> watch, conf_ptr conf)
        : serial_post(options.executor),
          how_(options.how),
          keep_{options.wait_limit, options.spool_behind},
          watch_(std::move(watch)),
          lingers_(property(conf.get(), "linger.ms") != "0"),
          conf_(std::move(conf)),
          session_(std::make_unique<session>(conf_ptr(rd_kafka_conf_dup(conf_.get())), watch_)),
          creates_(options.create_topics),
          admin_(session_->owner(), session_->queue(), options),
          alarm_(std::make_shared<alarm>(options.executor, *this)),
          silence_(*watch_) {}

    /// From now on events are served, and `done` is told when the state is decided.
    void open(waker& state_changed, operation& done) {
        state_changed_ = &state_changed;
        started_ = &done;
        watch_->start(*this);
        session_->wakes(*this);
        wake();
    }

    /// Nothing of the outside is reached after this.
    void silence() noexcept {
        close(); // first, because a run may put another session in the place of this one
        session_->silence();
        alarm_.silence();
    }

    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken {
        const under_way::entry how = under_way_.enter();
        if (how == under_way::entry::refused) {
            node.ec = errc::closed;
            leave(false);
            return taken::done;
        }
        if (how == under_way::entry::first) {
            silence_.begins();
        }
        taken what = line_.empty() && !resend_.active() ? produce(node) : taken::full;
        if (what == taken::full && may_wait) {
            line_.push(node);
            what = taken::pending;
            wake(); // room may have come before the node was in line
        }
        leave(what == taken::pending);
        if (what == taken::pending && silence_.needs_look()) {
            wake();
        }
        return what;
    }

    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool {
        if (!line_.remove(node)) {
            return false;
        }
        left(1);
        return true;
    }

    void stop(clock::time_point deadline, operation& done) noexcept {
        {
            const std::lock_guard lock(stop_guard_);
            stopping_ = &done;
            deadline_ = deadline;
        }
        under_way_.close();
        wake();
    }

    /// Makes the topic if it is missing and that is wanted.
    void create(const std::string* topic) {
        if (creates_) {
            admin_.want(topic);
        }
    }

private:
    static constexpr int events_per_run = 64;

    /// Gives the node to librdkafka. After `pending` it is no longer ours to look at.
    [[nodiscard]] auto produce(publish_node& node) noexcept -> taken {
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

    auto drain() noexcept -> bool override {
        const bool more = serve_events();
        look_for_end();
        if (resend_.active()) {
            send_again();
        }
        if (!resend_.active()) {
            line_.serve([this](publish_node& node) { return produce(node); },
                        [this](publish_node& node) { ended(node); });
        }
        if (silence_.look(under_way_, clock::now(), alarm_)) {
            wake();
        }
        watch_->questions().serve(session_->get(), session_->owner());
        if (resend_.active()) {
            alarm_.at(clock::now() + std::chrono::milliseconds(10));
        }
        tell_state();
        finish_stop();
        alarm_.set();
        return more;
    }

    auto serve_events() noexcept -> bool {
        for (int i = 0; i < events_per_run; ++i) {
            if (reports_.none()) {
                event_ptr event(rd_kafka_queue_poll(session_->queue(), 0));
                if (!event) {
                    return false;
                }
                if (rd_kafka_event_type(event.get()) != RD_KAFKA_EVENT_DR) {
                    serve(event.get());
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
    void serve(rd_kafka_event_t* event) noexcept {
        rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR
            ? read_error(session_->get(), event, *watch_)
            : admin_.answered(event);
    }
    void read_reports() noexcept {
        std::uint64_t count = 0;
        reports_.read([&](const rd_kafka_message_t& report) {
            publish_node& node = refusals_.read(session_->get(), report, *watch_);
            batch_failed_ = batch_failed_ || report.err != RD_KAFKA_RESP_ERR_NO_ERROR;
            // Reports of the end may come before the event that tells of it.
            report.err != RD_KAFKA_RESP_ERR_NO_ERROR ? look_for_end() : limit_.worked();
            if (gave_up_ || !resend_.keeps(report.err, rd_kafka_message_status(&report), node,
                                           under_way_.closed())) {
                ++count;
                node.completed(node);
            }
        });
        if (reports_.none() && std::exchange(batch_failed_, false)) {
            resend_.batch_failed();
        }
        left(count);
    }
    void ended(publish_node& node) noexcept {
        node.completed(node);
        left(1);
    }

    /// The client sends nothing any more. All that it has comes back; then another one takes its
    /// place, and gets first what was certainly not sent or is to reach Kafka by all means.
    void look_for_end() noexcept {
        if (rd_kafka_fatal_error(session_->get(), nullptr, 0) == RD_KAFKA_RESP_ERR_NO_ERROR ||
            resend_.client_is_lost() || gave_up_) {
            return; // the next one may fail as well, before it has got everything
        }
        std::array<char, 512> reason{};
        const rd_kafka_resp_err_t cause =
            rd_kafka_fatal_error(session_->get(), reason.data(), reason.size());
        if (refusals::forbids(cause) || under_way_.closed() || !limit_.may_renew(clock::now())) {
            gave_up_ = true;
            refusals::tell_end(cause, reason.data(), *watch_);
            return;
        }
        watch_->log(log_level::error,
                    "the producer failed and is replaced: " + std::string(reason.data()));
        resend_.client_failed();
        purge(RD_KAFKA_PURGE_F_INFLIGHT);
    }
    void purge(int more) noexcept {
        rd_kafka_purge(session_->get(),
                       RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING | more);
    }
    void send_again() noexcept {
        if (resend_.recalls()) {
            // Publishers that come from now on wait in line.
            if (under_way_.inside() || session_->held() > 0) {
                purge(resend_.client_is_lost() ? RD_KAFKA_PURGE_F_INFLIGHT : 0); // what slipped in
                return;
            }
            if (resend_.replaces()) {
                replace();
            }
            resend_.recalled();
        }
        while (publish_node* const node = resend_.next(session_->held() == 0)) {
            publish_node* const after = node->next;
            const taken what = produce(*node);
            if (what == taken::full) {
                return;
            }
            resend_.went(node, after, what == taken::pending);
            if (what == taken::done) {
                ended(*node);
            }
        }
    }
    void replace() noexcept {
        try {
            auto next = std::make_unique<session>(conf_ptr(rd_kafka_conf_dup(conf_.get())), watch_);
            next->wakes(*this);
            admin_.use(next->owner(), next->queue());
            session_ = std::move(next);
        } catch (...) { // the old one stays, and refuses every message
            gave_up_ = true;
            watch_->fatal(RD_KAFKA_RESP_ERR__FATAL, "no other producer could be made");
        }
    }

    /// Tells who waits for the start, and who follows the state.
    void tell_state() noexcept {
        const link_state now = watch_->state();
        if ((now.what == told_.what && now.cause == told_.cause) || state_changed_ == nullptr) {
            return;
        }
        told_ = now;
        if (now.what == link::up) {
            admin_.connected();
        }
        state_changed_->wake();
        if (operation* done = std::exchange(started_, nullptr)) {
            done->completed(*done);
        }
    }

    /// Nodes ended; the last one ends the stop.
    void left(std::uint64_t count) noexcept {
        if (under_way_.drop(count)) {
            wake();
        }
    }
    void leave(bool node_stays) noexcept {
        if (under_way_.leave(node_stays)) {
            wake();
        }
    }
    void finish_stop() noexcept {
        operation* done = nullptr;
        {
            const std::lock_guard lock(stop_guard_);
            if (stopping_ == nullptr) {
                return;
            }
            const auto now = clock::now();
            if (under_way_.over()) {
                done = std::exchange(stopping_, nullptr);
                alarm_.silence();
            } else if (now >= deadline_) {
                give_up();
            } else {
                alarm_.at(deadline_);
                send_lingering(now);
            }
        }
        if (done != nullptr) {
            if (operation* start = std::exchange(started_, nullptr)) {
                start->ec = errc::closed;
                start->completed(*start);
            }
            done->completed(*done);
        }
    }
    /// What waits to become a larger batch is sent while somebody flushes.
    void send_lingering(clock::time_point now) noexcept {
        if (!lingers_ || now < flush_again_) {
            return;
        }
        constexpr std::chrono::milliseconds flush_time(1000);
        flush_again_ = now + flush_time;
        alarm_.at(flush_again_);
        (void)helper::run(helps::work, [client = session_->owner(), flush_time] {
            rd_kafka_flush(client->get(), static_cast<int>(flush_time.count()));
        });
    }
    /// Everything that is left fails now; the reports tell what may have been sent.
    void give_up() noexcept {
        line_.serve(
            [](publish_node& node) {
                node.ec = errc::timed_out;
                return taken::done;
            },
            [this](publish_node& node) { ended(node); });
        resend_.drain([this](publish_node& node) {
            node.ec = errc::timed_out;
            ended(node);
        });
        purge(RD_KAFKA_PURGE_F_INFLIGHT);
        alarm_.at(clock::now() + std::chrono::milliseconds(100));
    }

    wire how_;
    keep_limits keep_;
    std::shared_ptr<cluster_watch> watch_;
    bool lingers_;
    conf_ptr conf_; ///< of each session
    /// Used by a publisher while it counts as inside and `resend_` is not active, and else by the
    /// runs.
    std::unique_ptr<session> session_;
    bool creates_;
    admin admin_;
    refusals refusals_;
    waiting_line line_;
    due_alarm alarm_;
    silence_watch silence_;
    waker* state_changed_ = nullptr;
    operation* started_ = nullptr;

    under_way under_way_;
    std::atomic<bool> gave_up_{false}; ///< the client failed for good
    std::atomic<std::uint64_t> turns_{0};
    renewal_limit limit_; // of the executor's runs, as what follows
    resend resend_;
    unread_reports reports_;
    bool batch_failed_ = false; ///< that of the reports
    link_state told_;

    std::mutex stop_guard_;
    operation* stopping_ = nullptr;
    clock::time_point deadline_{}, flush_again_{};
};

} // namespace cobus::detail::kafka
