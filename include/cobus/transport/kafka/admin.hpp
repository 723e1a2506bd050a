#pragma once

#include "client.hpp"
#include "handle.hpp"
#include "helper_thread.hpp"

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// Makes topics that are missing, without waiting for it: what is published meanwhile waits in
/// librdkafka. Clusters that cannot make topics on request, as librdkafka's mock, are left alone.
class admin {
public:
    admin(std::shared_ptr<client> of, rd_kafka_queue_t* results, std::size_t partitions) noexcept
        : client_(std::move(of)), results_(results), partitions_(partitions) {}

    /// At the first use of a topic.
    void want(const std::string* topic) {
        const std::lock_guard lock(guard_);
        if (wanted_.try_emplace(*topic, true).second) {
            request(topic->c_str());
        }
    }
    /// The cluster answers again: what could not be asked for is asked again.
    void connected() {
        const std::lock_guard lock(guard_);
        for (auto& [topic, asked] : wanted_) {
            if (!std::exchange(asked, true)) {
                request(topic.c_str());
            }
        }
    }
    /// The answer to a request.
    void answered(rd_kafka_event_t* event) {
        const auto* result = rd_kafka_event_CreateTopics_result(event);
        if (result == nullptr) {
            return;
        }
        if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            all_failed(rd_kafka_event_error(event));
            return;
        }
        std::size_t count = 0;
        const rd_kafka_topic_result_t** topics =
            rd_kafka_CreateTopics_result_topics(result, &count);
        for (const rd_kafka_topic_result_t* each : std::span(topics, count)) {
            one(rd_kafka_topic_result_name(each), rd_kafka_topic_result_error(each),
                rd_kafka_topic_result_error_string(each));
        }
    }

private:
    void request(const char* topic) {
        std::array<char, 512> reason{};
        constexpr int by_broker = -1; // replicas: the cluster's default
        const new_topic_ptr made(rd_kafka_NewTopic_new(topic, static_cast<int>(partitions_),
                                                       by_broker, reason.data(), reason.size()));
        if (made) {
            std::array<rd_kafka_NewTopic_t*, 1> all{made.get()};
            rd_kafka_CreateTopics(client_->get(), all.data(), all.size(), nullptr, results_);
        }
    }
    void one(const char* topic, rd_kafka_resp_err_t code, const char* reason) {
        {
            const std::lock_guard lock(guard_);
            if (code != RD_KAFKA_RESP_ERR_NO_ERROR && classify(code) == condition::retryable &&
                code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
                wanted_[topic] = false;
                return;
            }
        }
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            learn(topic);
        } else if (code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            client_->watch().log(log_level::warning,
                                 "topic " + std::string(topic) +
                                     " was not created: " + (reason != nullptr ? reason : ""));
        }
    }
    /// The request as a whole: nobody answered, or nobody knows it.
    void all_failed(rd_kafka_resp_err_t code) {
        if (code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE) {
            return;
        }
        const std::lock_guard lock(guard_);
        for (auto& [topic, asked] : wanted_) {
            asked = false; // those that were made say so next time
        }
    }
    /// Has the producer look for it now instead of at its next timer.
    void learn(const char* topic) {
        (void)helper_thread::run([client = client_, name = std::string(topic)] {
            const topic_ptr handle(rd_kafka_topic_new(client->get(), name.c_str(), nullptr));
            const rd_kafka_metadata_t* found = nullptr;
            constexpr int limit = 500; // ms
            if (handle && rd_kafka_metadata(client->get(), 0, handle.get(), &found, limit) ==
                              RD_KAFKA_RESP_ERR_NO_ERROR) {
                rd_kafka_metadata_destroy(found);
            }
        });
    }

    std::shared_ptr<client> client_;
    rd_kafka_queue_t* results_;
    std::size_t partitions_;
    std::mutex guard_;
    std::map<std::string, bool> wanted_; ///< and whether it was asked for
};

} // namespace cobus::detail::kafka
