#pragma once

#include "admin.hpp"
#include "alarm.hpp"
#include "client.hpp"
#include "envelope.hpp"
#include "report.hpp"
#include "serial_post.hpp"
#include "topics.hpp"
#include "waiting_line.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
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
          wait_limit_(options.wait_limit),
          watch_(std::move(watch)),
          lingers_(property(conf.get(), "linger.ms") != "0"),
          client_(std::make_shared<client>(role::producer, std::move(conf),
                                           RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR, watch_)),
          queue_(rd_kafka_queue_get_main(client_->get())),
          creates_(options.create_topics),
          admin_(client_, queue_.get(), options),
          alarm_(std::make_shared<alarm>(options.executor, *this)) {}

    ~producer() override {
        topics_.clear();
        queue_.reset();
    }

    /// From now on events are served, and `done` is told when the state is decided.
    void open(waker& state_changed, operation& done) {
        state_changed_ = &state_changed;
        started_ = &done;
        watch_->start(*this);
        rd_kafka_queue_cb_event_enable(queue_.get(), &on_event, static_cast<waker*>(this));
        wake();
    }

    /// Nothing of the outside is reached after this.
    void silence() noexcept {
        rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
        close();
        alarm_->silence();
    }

    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken {
        const std::uint64_t before = under_way_.fetch_add(1, std::memory_order_acq_rel);
        if ((before & closed_bit) != 0) {
            node.ec = errc::closed;
            left(1);
            return taken::done;
        }
        if ((before & ~closed_bit) == 0) {
            busy_since_.store(clock::now().time_since_epoch().count());
        }
        taken what = line_.empty() ? produce(node) : taken::full;
        if (what == taken::full && may_wait) {
            line_.push(node);
            what = taken::pending;
            wake(); // room may have come before the node was in line
        }
        if (what != taken::pending) {
            left(1);
        } else {
            watch_silence();
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
        under_way_.fetch_or(closed_bit, std::memory_order_acq_rel);
        wake();
    }

    /// Makes the topic if it is missing and that is wanted.
    void create(const std::string* topic) {
        if (creates_) {
            admin_.want(topic);
        }
    }

    [[nodiscard]] auto handle() const noexcept -> rd_kafka_t* { return client_->get(); }
    /// Messages that librdkafka holds, and reports that nobody read.
    [[nodiscard]] auto held() const noexcept -> int { return rd_kafka_outq_len(client_->get()); }

private:
    static constexpr std::uint64_t closed_bit = std::uint64_t{1} << 63U;
    static constexpr int events_per_run = 64;
    static constexpr std::chrono::milliseconds watch_on{1000};

    static void on_event(rd_kafka_t* /*client*/, void* self) { static_cast<waker*>(self)->wake(); }

    // --- publishing

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
            // What waits for Kafka waits in librdkafka's queue, which keeps its order: a message
            // that timed out there could come back behind younger ones only.
            const auto keep = node.when_away == policy::wait ? wait_limit_ : client_default;
            bool first_use = false;
            rd_kafka_topic_t* topic =
                topics_.find(client_->get(), content.interned_topic(), keep, first_use);
            if (topic == nullptr) {
                node.ec = errc::no_topic;
                return taken::done;
            }
            if (first_use) {
                create(content.interned_topic());
            }
            node.where.id(content.id());
            node.where.topic(content.interned_topic());
            return hand_over(node, topic, out);
        } catch (const std::bad_alloc&) {
            node.ec = std::make_error_code(std::errc::not_enough_memory);
        } catch (...) { // a user's encoder
            node.ec = errc::not_encodable;
        }
        return taken::done;
    }

    /// The payload is copied: a bus may be destroyed while librdkafka still holds the message.
    [[nodiscard]] auto hand_over(publish_node& node, rd_kafka_topic_t* topic, encoded& out) noexcept
        -> taken {
        const auto key = node.content->key();
        const char* key_data = nullptr;
        const std::size_t key_size = key ? key->size() : 0;
        if (key) {
            key_data = key->data() != nullptr ? key->data() : "";
        }
        const char* payload = out.null_payload ? nullptr : out.payload.data();
        if (!out.null_payload && payload == nullptr) {
            payload = "";
        }
        // The macros for these pairs cast as C does.
        const rd_kafka_resp_err_t code = rd_kafka_producev(
            client_->get(), RD_KAFKA_VTYPE_RKT, topic, RD_KAFKA_VTYPE_PARTITION, node.partition,
            RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_VALUE, payload,
            out.payload.size(), RD_KAFKA_VTYPE_KEY, key_data, key_size, RD_KAFKA_VTYPE_TIMESTAMP,
            std::int64_t{node.content->time().time_since_epoch().count()}, RD_KAFKA_VTYPE_HEADERS,
            out.headers.get(), RD_KAFKA_VTYPE_OPAQUE, static_cast<void*>(&node),
            RD_KAFKA_VTYPE_END);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            // librdkafka's now. NOLINTNEXTLINE(bugprone-unused-return-value)
            (void)out.headers.release();
            return taken::pending;
        }
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            return taken::full;
        }
        node.ec = publish_error(code);
        return taken::done;
    }

    // --- on the executor

    auto drain() noexcept -> bool override {
        const bool more = serve_events();
        line_.serve([this](publish_node& node) { return produce(node); },
                    [this](publish_node& node) {
                        node.completed(node);
                        left(1);
                    });
        mind_silence(clock::now());
        tell_state();
        finish_stop();
        set_alarm();
        return more;
    }
    /// An alarm that comes too early does no harm, so it is not put off.
    void set_alarm() noexcept {
        if (due_ < alarm_due_ || alarm_due_ <= clock::now()) {
            alarm_due_ = due_;
            if (due_ != (clock::time_point::max)()) {
                alarm_->set(due_);
            }
        }
    }

    auto serve_events() noexcept -> bool {
        for (int i = 0; i < events_per_run; ++i) {
            const event_ptr event(rd_kafka_queue_poll(queue_.get(), 0));
            if (!event) {
                return false;
            }
            switch (rd_kafka_event_type(event.get())) {
            case RD_KAFKA_EVENT_DR:
                reports(event.get());
                break;
            case RD_KAFKA_EVENT_ERROR:
                read_error(client_->get(), event.get(), *watch_);
                break;
            case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
                admin_.answered(event.get());
                break;
            default:
                break;
            }
        }
        return true;
    }
    void reports(rd_kafka_event_t* event) noexcept {
        std::uint64_t count = 0;
        while (const rd_kafka_message_t* report = rd_kafka_event_message_next(event)) {
            publish_node& node = read_report(*report);
            ++count;
            node.completed(node);
        }
        left(count);
    }

    /// Tells who waits for the start, and who follows the state.
    void tell_state() noexcept {
        const link what = watch_->state().what;
        if (what == told_ || state_changed_ == nullptr) {
            return;
        }
        told_ = what;
        if (what == link::up) {
            admin_.connected();
        }
        state_changed_->wake();
        if (operation* done = std::exchange(started_, nullptr)) {
            done->completed(*done);
        }
    }

    /// While publishes are under way, answers are due: has the executor look after them. Looks on
    /// for a second after the last, so that publishing one by one posts nothing.
    void watch_silence() noexcept {
        if (!watching_.load(std::memory_order_relaxed) &&
            !watching_.exchange(true, std::memory_order_acq_rel)) {
            wake();
        }
    }
    void mind_silence(clock::time_point now) noexcept {
        std::optional<clock::time_point> waiting;
        if ((under_way_.load(std::memory_order_seq_cst) & ~closed_bit) != 0) {
            waiting = clock::time_point(clock::duration(busy_since_.load()));
            watch_until_ = now + watch_on;
        } else if (now >= watch_until_) {
            watching_.store(false, std::memory_order_seq_cst);
            if ((under_way_.load(std::memory_order_seq_cst) & ~closed_bit) != 0) {
                watch_silence(); // one came in between
            }
        }
        due_ = watch_->tick(waiting);
        if (!waiting && now < watch_until_) {
            due_ = (std::min)(due_, watch_until_);
        }
    }

    // --- the end

    /// Nodes ended; the last one ends the stop.
    void left(std::uint64_t count) noexcept {
        if (under_way_.fetch_sub(count, std::memory_order_acq_rel) == (closed_bit | count)) {
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
            if (under_way_.load(std::memory_order_acquire) == closed_bit) {
                done = std::exchange(stopping_, nullptr);
            } else if (now >= deadline_) {
                give_up();
            } else {
                due_ = (std::min)(due_, deadline_);
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
        due_ = (std::min)(due_, flush_again_);
        (void)helper_thread::run([client = client_, flush_time] {
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
            [this](publish_node& node) {
                node.completed(node);
                left(1);
            });
        rd_kafka_purge(client_->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                           RD_KAFKA_PURGE_F_NON_BLOCKING);
        due_ = (std::min)(due_, clock::now() + std::chrono::milliseconds(100));
    }

    wire how_;
    std::chrono::milliseconds wait_limit_;
    std::shared_ptr<cluster_watch> watch_;
    bool lingers_;
    std::shared_ptr<client> client_;
    queue_ptr queue_;
    bool creates_;
    admin admin_;
    topics topics_;
    waiting_line line_;
    std::shared_ptr<alarm> alarm_;
    waker* state_changed_ = nullptr;
    operation* started_ = nullptr;

    std::atomic<std::uint64_t> under_way_{
        0}; ///< nodes that are ours, and whether new ones are refused
    std::atomic<std::int64_t> busy_since_{0}; ///< when the first of them came
    std::atomic<bool> watching_{false};

    // Of the executor's runs.
    link told_ = link::connecting;
    clock::time_point watch_until_{};
    clock::time_point due_ = (clock::time_point::max)();
    clock::time_point alarm_due_ = (clock::time_point::max)();

    std::mutex stop_guard_;
    operation* stopping_ = nullptr;
    clock::time_point deadline_{};
    clock::time_point flush_again_{};
};

} // namespace cobus::detail::kafka
