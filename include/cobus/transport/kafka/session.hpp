#pragma once

#include "client.hpp"
#include "envelope.hpp"
#include "error.hpp"
#include "handle.hpp"
#include "topics.hpp"
#include "transactions.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace cobus::detail::kafka {

/// A producing client with its queue and its topics: what goes together when it failed for good and
/// another one takes its place.
class session {
public:
    session(conf_ptr conf, const std::shared_ptr<cluster_watch>& watch)
        : client_(std::make_shared<client>(role::producer, std::move(conf),
                                           RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR, watch)),
          queue_(rd_kafka_queue_get_main(client_->get())),
          transactions_(property(rd_kafka_conf(client_->get()), "transactional.id").empty()
                            ? nullptr
                            : std::make_unique<transactions>(client_)) {}
    session(const session&) = delete;
    auto operator=(const session&) -> session& = delete;
    ~session() {
        silence();
        topics_.clear();
        queue_.reset();
    }

    void wakes(waker& who) noexcept {
        rd_kafka_queue_cb_event_enable(queue_.get(), &on_event, &who);
        if (transactions_) {
            transactions_->wakes(who);
        }
    }
    void silence() noexcept {
        rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
        if (transactions_) {
            transactions_->silence();
        }
    }

    [[nodiscard]] auto owner() const noexcept -> const std::shared_ptr<client>& { return client_; }
    [[nodiscard]] auto get() const noexcept -> rd_kafka_t* { return client_->get(); }
    [[nodiscard]] auto queue() const noexcept -> rd_kafka_queue_t* { return queue_.get(); }
    /// As `topics::find`.
    [[nodiscard]] auto topic(const std::string* name, std::chrono::milliseconds keep, bool& made)
        -> rd_kafka_topic_t* {
        return topics_.find(client_->get(), name, keep, made);
    }
    /// Those of a client with a `transactional.id`, else null.
    [[nodiscard]] auto in_transactions() const noexcept -> transactions* {
        return transactions_.get();
    }
    /// Whether messages may be given to it. Any thread.
    [[nodiscard]] auto open() const noexcept -> bool {
        return transactions_ == nullptr || transactions_->open();
    }
    /// What the client is beyond repair for; no error: it is not.
    [[nodiscard]] auto end() const noexcept -> rd_kafka_resp_err_t {
        const bool lost = transactions_ != nullptr && transactions_->lost();
        const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(client_->get(), nullptr, 0);
        return fatal == RD_KAFKA_RESP_ERR_NO_ERROR && lost ? transactions_->cause() : fatal;
    }
    /// That in words.
    [[nodiscard]] auto end_text() const -> std::string;
    /// Nobody waits to hear of a message that it has.
    [[nodiscard]] auto empty() const noexcept -> bool {
        return held() == 0 && (transactions_ == nullptr || !transactions_->keeps_any());
    }
    /// Messages that librdkafka holds, and reports that nobody read.
    [[nodiscard]] auto held() const noexcept -> int { return rd_kafka_outq_len(client_->get()); }

    /// Gives librdkafka the message. The payload is copied: a bus may be destroyed while librdkafka
    /// still holds it. After `pending` the node is no longer ours to look at.
    [[nodiscard]] auto send(publish_node& node, rd_kafka_topic_t* topic, encoded& out) noexcept
        -> taken;

private:
    static void on_event(rd_kafka_t* /*client*/, void* who) { static_cast<waker*>(who)->wake(); }

    std::shared_ptr<client> client_;
    queue_ptr queue_;
    topics topics_;
    std::unique_ptr<transactions> transactions_;
};

inline auto session::end_text() const -> std::string {
    std::array<char, 512> reason{};
    const bool fatal = rd_kafka_fatal_error(client_->get(), reason.data(), reason.size()) !=
                       RD_KAFKA_RESP_ERR_NO_ERROR;
    return fatal || transactions_ == nullptr ? reason.data() : transactions_->why();
}

inline auto session::send(publish_node& node, rd_kafka_topic_t* topic, encoded& out) noexcept
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
        out.headers.get(), RD_KAFKA_VTYPE_OPAQUE, static_cast<void*>(&node), RD_KAFKA_VTYPE_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        // librdkafka's now. NOLINTNEXTLINE(bugprone-unused-return-value)
        (void)out.headers.release();
        return taken::pending;
    }
    const bool between = transactions_ != nullptr && code == RD_KAFKA_RESP_ERR__STATE;
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL || between) {
        return taken::full;
    }
    node.ec = publish_error(cause_of(client_->get(), code));
    return taken::done;
}

} // namespace cobus::detail::kafka
