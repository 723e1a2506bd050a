#pragma once

#include "../../log.hpp"
#include "../transport.hpp"
#include "client.hpp"
#include "error.hpp"
#include "handle.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// The topics whose partitions a member reads without subscribing to them, because they go with
/// others. Those that are missing are made, with as many partitions. On the helper thread.
class companions {
public:
    companions(std::vector<companion> wanted, bool create_topics) noexcept
        : wanted_(std::move(wanted)), creates_(create_topics) {}

    /// Adds to an assignment the companions of its partitions, as far as there are any. False: the
    /// cluster could not tell yet, and this is to be called again. May throw `std::bad_alloc`.
    [[nodiscard]] auto add_to(rd_kafka_topic_partition_list_t& list, client& of) -> bool {
        for (; !wanted_.empty(); wanted_.pop_back()) {
            const companion& next = wanted_.back();
            const std::vector<int> numbers = numbers_of(*next.of, list);
            if (numbers.empty()) {
                continue;
            }
            const presence found = look_for(next, of);
            if (found == presence::unknown) {
                return false;
            }
            if (found == presence::here) {
                added_.push_back(next.topic);
                for (const int number : numbers) {
                    rd_kafka_topic_partition_list_add(&list, next.topic->c_str(), number);
                }
            }
            create_by_ = {};
        }
        return true;
    }
    /// Whether it was added.
    [[nodiscard]] auto contains(const char* topic) const noexcept -> bool {
        return std::ranges::any_of(added_, [&](const auto* each) { return *each == topic; });
    }

private:
    using clock = std::chrono::steady_clock;
    enum class presence : unsigned char { here, missing, unknown };
    struct answer {
        rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
        int partitions = 0;
    };

    static constexpr int limit_ms = 1000; ///< of one request; others wait for the thread
    static constexpr std::chrono::seconds longest_creation{10};

    [[nodiscard]] static auto numbers_of(const std::string& topic,
                                         const rd_kafka_topic_partition_list_t& list)
        -> std::vector<int> {
        std::vector<int> numbers;
        for (int i = 0; i < list.cnt; ++i) {
            if (topic == list.elems[i].topic) {
                numbers.push_back(list.elems[i].partition);
            }
        }
        return numbers;
    }
    [[nodiscard]] auto look_for(const companion& which, client& of) -> presence {
        const answer needed = ask(of.get(), *which.of);
        const answer found = ask(of.get(), *which.topic);
        if (passes(needed.code) || passes(found.code)) {
            return presence::unknown;
        }
        if (needed.partitions > 0 && found.partitions >= needed.partitions) {
            return presence::here;
        }
        if (found.partitions == 0 && needed.partitions > 0 && creates_) {
            if (create_by_ == clock::time_point()) {
                create_by_ = clock::now() + longest_creation;
                create(*which.topic, needed.partitions, of);
                return presence::unknown;
            }
            if (clock::now() < create_by_) {
                return presence::unknown;
            }
        }
        say_missing(which, needed, found, of.watch());
        return presence::missing;
    }
    static void say_missing(const companion& which, const answer& needed, const answer& found,
                            cluster_watch& watch) {
        std::string line = "topic " + *which.topic + " needs as many partitions as " + *which.of +
                           ", " + std::to_string(needed.partitions) + ", and has " +
                           std::to_string(found.partitions);
        const auto code = needed.code != RD_KAFKA_RESP_ERR_NO_ERROR ? needed.code : found.code;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            line.append(" (").append(rd_kafka_err2str(code)).append(")");
        }
        watch.log(log_level::error,
                  line + ": until the next assignment, long retries become dead letters");
    }
    [[nodiscard]] static auto ask(rd_kafka_t* client, const std::string& topic) noexcept -> answer {
        const topic_ptr handle(rd_kafka_topic_new(client, topic.c_str(), nullptr));
        if (!handle) {
            return {rd_kafka_last_error()};
        }
        const rd_kafka_metadata_t* found = nullptr;
        answer made{rd_kafka_metadata(client, 0, handle.get(), &found, limit_ms)};
        if (made.code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (found->topic_cnt == 1) {
                made = {found->topics[0].err, found->topics[0].partition_cnt};
            }
            rd_kafka_metadata_destroy(found);
        }
        return made;
    }
    static void create(const std::string& topic, int partitions, client& of) {
        std::array<char, 512> reason{};
        constexpr int by_broker = -1; // replicas: the cluster's default
        const new_topic_ptr made(rd_kafka_NewTopic_new(topic.c_str(), partitions, by_broker,
                                                       reason.data(), reason.size()));
        if (!made) {
            return;
        }
        const queue_ptr answers(rd_kafka_queue_new(of.get()));
        const admin_options_ptr how(
            rd_kafka_AdminOptions_new(of.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS));
        rd_kafka_AdminOptions_set_request_timeout(how.get(), limit_ms, reason.data(),
                                                  reason.size());
        std::array<rd_kafka_NewTopic_t*, 1> all{made.get()};
        rd_kafka_CreateTopics(of.get(), all.data(), all.size(), how.get(), answers.get());
        const event_ptr answer(rd_kafka_queue_poll(answers.get(), 2 * limit_ms));
        if (!answer || rd_kafka_event_error(answer.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            create_by_asking(topic, of);
        }
    }
    /// Clusters that make no topics on request, as librdkafka's mock, may make them when somebody
    /// asks for them who allows it.
    static void create_by_asking(const std::string& topic, client& of) {
        rd_kafka_conf_t* conf = rd_kafka_conf_dup(rd_kafka_conf(of.get()));
        rd_kafka_conf_set_events(conf, 0);
        rd_kafka_conf_set_log_cb(conf, nullptr);
        rd_kafka_conf_set(conf, "allow.auto.create.topics", "true", nullptr, 0);
        rd_kafka_conf_set(conf, "log_level", "0", nullptr, 0);
        rd_kafka_t* const asking = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
        if (asking == nullptr) {
            rd_kafka_conf_destroy(conf);
            return;
        }
        (void)ask(asking, topic);
        rd_kafka_destroy(asking);
    }

    std::vector<companion> wanted_;
    std::vector<const std::string*> added_;
    bool creates_;
    clock::time_point create_by_{}; ///< of the last of those wanted
};

} // namespace cobus::detail::kafka
