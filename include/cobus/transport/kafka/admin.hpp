#pragma once

#include "../../detail/helper.hpp"
#include "../options.hpp"
#include "client.hpp"
#include "compaction.hpp"
#include "config.hpp"
#include "handle.hpp"
#include "topic_requests.hpp"

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// Makes topics that are missing, without waiting for it: what is published meanwhile waits in
/// librdkafka. Clusters that cannot make topics on request, as librdkafka's mock, are left alone.
/// Warns of topics that were there and are compacted.
class admin {
public:
    admin(std::shared_ptr<client> of, rd_kafka_queue_t* results, const transport_options& options)
        : client_(std::move(of)),
          results_(results),
          partitions_(options.partitions),
          is_fenced_(options.properties.contains("transactional.id")) {
        transport_options asking = options;
        asking.log = nullptr;
        asking.properties.erase("transactional.id");
        asking.properties["allow.auto.create.topics"] = "true";
        asking_ = make_conf(asking, role::producer);
    }

    /// Another client took the place of the first.
    void use(std::shared_ptr<client> of, rd_kafka_queue_t* results) {
        const std::lock_guard lock(guard_);
        client_ = std::move(of);
        results_ = results;
    }
    /// At the first use of a topic.
    void want(const std::string* topic) {
        const std::lock_guard lock(guard_);
        if (wanted_.try_emplace(*topic, true).second) {
            request(*topic);
        }
    }
    /// The cluster answers again: what could not be asked for is asked again.
    void connected() {
        const std::lock_guard lock(guard_);
        for (auto& [topic, asked] : wanted_) {
            if (!std::exchange(asked, true)) {
                request(topic);
            }
        }
    }
    /// The answer to a request.
    void answered(rd_kafka_event_t* event) {
        const auto* result = rd_kafka_event_CreateTopics_result(event);
        if (result == nullptr) {
            warn_of_compaction(event, client_->watch());
            return;
        }
        if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            all_failed(rd_kafka_event_error(event));
            return;
        }
        for (const rd_kafka_topic_result_t* each : results_of(*result)) {
            one(rd_kafka_topic_result_name(each), rd_kafka_topic_result_error(each),
                rd_kafka_topic_result_error_string(each));
        }
    }

private:
    static constexpr int answer_limit = 1500; // ms

    void request(const std::string& topic) {
        const std::array one{new_topic{&topic, static_cast<int>(partitions_)}};
        (void)request_topics(client_->get(), one, answer_limit, results_);
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
            learn();
        } else if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            if (is_fenced_) { // no late copies
                return;
            }
            const std::lock_guard lock(guard_);
            ask_for_compaction(client_->get(), topic, answer_limit, results_);
        } else {
            // It may well exist; if not, whoever publishes or reads is told so.
            const bool forbidden = code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
                                   code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
            client_->watch().log(
                forbidden ? log_level::debug : log_level::warning,
                "topic " + std::string(topic) + " was not created: " +
                    with_cure(reason != nullptr ? reason : rd_kafka_err2str(code), code));
        }
    }
    /// The request as a whole: nobody answered, or nobody knows it.
    void all_failed(rd_kafka_resp_err_t code) {
        const std::lock_guard lock(guard_);
        for (auto& [topic, asked] : wanted_) {
            asked = code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE; // else once more, later
            if (client_->watch().state().what == link::up) {
                make_by_asking(topic);
            }
        }
    }
    /// A cluster that makes no topics on request may make them when somebody asks for them, which
    /// our producer does not. So a client of its own asks.
    void make_by_asking(const std::string& topic) {
        if (!asked_for_.insert(topic).second) {
            return;
        }
        (void)helper::run(
            helps::work, [conf = std::shared_ptr<rd_kafka_conf_t>(rd_kafka_conf_dup(asking_.get()),
                                                                  &rd_kafka_conf_destroy),
                          topic, alive = std::weak_ptr(alive_)] {
                if (alive.expired()) { // others wait for the thread
                    return;
                }
                constexpr int limit = 3000;                 // ms
                const std::array one{new_topic{&topic, 0}}; // as many partitions as it likes
                make_topics_by_asking(conf_ptr(rd_kafka_conf_dup(conf.get())), one, limit);
            });
        learn();
    }
    /// Has the producer look for it now instead of at its next timer. What only readers wanted so
    /// far it does not know, and looks for with its first publish.
    void learn() {
        (void)helper::run(helps::work, [client = client_, alive = std::weak_ptr(alive_)] {
            constexpr int limit = 500; // ms
            if (!alive.expired()) {
                ask_for_known_topics(client->get(), limit);
            }
        });
    }

    std::shared_ptr<client> client_;
    rd_kafka_queue_t* results_;
    std::size_t partitions_;
    bool is_fenced_; ///< no late copies of what this client sends
    conf_ptr asking_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true); ///< nobody asks when it is gone
    std::mutex guard_;
    std::set<std::string> asked_for_;
    std::map<std::string, bool> wanted_; ///< and whether it was asked for
};

} // namespace cobus::detail::kafka
