#pragma once

#include "../../log.hpp"
#include "assignment.hpp"
#include "client.hpp"
#include "error.hpp"
#include "topic_search.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cobus::detail::kafka {

/// What goes wrong with a consumer: its end, which the dispatcher is told once; what the watch has
/// to know; and what is worth a line in the log.
class consumer_trouble {
public:
    consumer_trouble(std::shared_ptr<client> of, std::shared_ptr<topic_search> search,
                     stream_gate& gate) noexcept
        : client_(std::move(of)), search_(std::move(search)), gate_(&gate) {}

    /// An error event of the client.
    void read(rd_kafka_event_t* event) {
        const rd_kafka_resp_err_t code = rd_kafka_event_error(event);
        const char* reason = rd_kafka_event_error_string(event);
        std::array<char, 512> words{};
        if (const rd_kafka_resp_err_t cause =
                rd_kafka_fatal_error(client_->get(), words.data(), words.size());
            cause != RD_KAFKA_RESP_ERR_NO_ERROR) {
            fail(cause, words.data());
            return;
        }
        switch (code) {
        case RD_KAFKA_RESP_ERR__TRANSPORT:
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        case RD_KAFKA_RESP_ERR__RESOLVE:
        case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        case RD_KAFKA_RESP_ERR__SSL:
            client_->watch().error(code, reason);
            break;
        default:
            if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
                search_->missed();
            }
            say_once(code, reason);
            break;
        }
    }
    /// An error that came in a message's place.
    void read(const rd_kafka_message_t& item) {
        if (item.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            say_once(item.err,
                     "topic " +
                         std::string(item.rkt != nullptr ? rd_kafka_topic_name(item.rkt) : "?") +
                         ": " + rd_kafka_message_errstr(&item));
        }
    }
    /// The consumer is beyond repair.
    void fail(rd_kafka_resp_err_t code, std::string_view reason) {
        failed_ = code_of(code);
        client_->member().rebalanced(); // it joins no more
        client_->watch().log(log_level::error, "consuming failed: " + std::string(reason));
        gate_->wake();
    }
    /// Why it failed, once.
    [[nodiscard]] auto news() noexcept -> std::error_code {
        return failed_ && !std::exchange(told_, true) ? failed_ : std::error_code();
    }

private:
    /// Such as a topic that is missing or forbidden: librdkafka repeats it as long as it lasts.
    void say_once(rd_kafka_resp_err_t code, std::string_view reason) {
        if (code != last_said_) {
            last_said_ = code;
            client_->watch().log(cure_of(code, {}, 0).empty() ? log_level::warning
                                                              : log_level::error,
                                 with_cure("consuming: " + std::string(reason), code));
        }
    }

    std::shared_ptr<client> client_;
    std::shared_ptr<topic_search> search_;
    stream_gate* gate_;
    std::error_code failed_;
    bool told_ = false;
    rd_kafka_resp_err_t last_said_ = RD_KAFKA_RESP_ERR_NO_ERROR;
};

} // namespace cobus::detail::kafka
