#pragma once

#include "../../log.hpp"
#include "../transport.hpp"
#include "client.hpp"
#include "error.hpp"
#include "handle.hpp"
#include "topic_requests.hpp"

#include <algorithm>
#include <chrono>
#include <map>
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
        std::vector<new_topic> missing;
        asked_ = nullptr;
        for (auto next = wanted_.begin(); next != wanted_.end();) {
            const std::vector<int> numbers = numbers_of(*next->of, list);
            const presence found = numbers.empty() ? presence::none : look_for(*next, of);
            if (found == presence::unknown) {
                return false;
            }
            if (found == presence::to_come) {
                missing.push_back({next->topic, needed_.partitions});
                ++next;
                continue;
            }
            if (found == presence::here) {
                added_.push_back(next->topic);
                for (const int number : numbers) {
                    rd_kafka_topic_partition_list_add(&list, next->topic->c_str(), number);
                }
            }
            next = wanted_.erase(next);
        }
        if (!missing.empty() && create_by_ == clock::time_point()) {
            create_by_ = clock::now() + longest_creation;
            create(missing, of);
        }
        return missing.empty();
    }
    /// Whether it was added.
    [[nodiscard]] auto contains(const char* topic) const noexcept -> bool {
        return std::ranges::any_of(added_, [&](const auto* each) { return *each == topic; });
    }

private:
    using clock = std::chrono::steady_clock;
    enum class presence : unsigned char { here, none, to_come, unknown };
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
        if (asked_ != which.of) {
            needed_ = ask_for_topic(of.get(), which.of->c_str(), limit_ms);
            asked_ = which.of;
        }
        const topic_answer found = ask_for_topic(of.get(), which.topic->c_str(), limit_ms);
        if (passes(needed_.code) || passes(found.code)) {
            return presence::unknown;
        }
        if (needed_.partitions > 0 && found.partitions >= needed_.partitions) {
            return presence::here;
        }
        const bool in_time = create_by_ == clock::time_point() || clock::now() < create_by_;
        const auto refused = refused_.find(*which.topic);
        if (found.partitions == 0 && needed_.partitions > 0 && creates_ && in_time &&
            refused == refused_.end()) {
            return presence::to_come;
        }
        say_missing(which, found, refused != refused_.end() ? refused->second : found.code,
                    of.watch());
        return presence::none;
    }
    void say_missing(const companion& which, const topic_answer& found, rd_kafka_resp_err_t why,
                     cluster_watch& watch) const {
        std::string line = "topic " + *which.topic + " needs as many partitions as " + *which.of +
                           ", " + std::to_string(needed_.partitions) + ", and has " +
                           std::to_string(found.partitions);
        const auto code = needed_.code != RD_KAFKA_RESP_ERR_NO_ERROR ? needed_.code : why;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            line.append(" (").append(with_cure(rd_kafka_err2str(code), code)).append(")");
        }
        watch.log(log_level::error,
                  line + ": until the next assignment, long retries become dead letters");
    }
    /// All at once: a cluster that does not answer, or refuses, costs its time limit.
    void create(const std::vector<new_topic>& missing, client& of) {
        const queue_ptr answers(rd_kafka_queue_new(of.get()));
        if (!request_topics(of.get(), missing, limit_ms, answers.get())) {
            return;
        }
        const event_ptr answer(rd_kafka_queue_poll(answers.get(), 2 * limit_ms));
        if (!answer || rd_kafka_event_error(answer.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            conf_ptr asking(rd_kafka_conf_dup(rd_kafka_conf(of.get())));
            rd_kafka_conf_set_events(asking.get(), 0);
            rd_kafka_conf_set_log_cb(asking.get(), nullptr);
            rd_kafka_conf_set(asking.get(), "allow.auto.create.topics", "true", nullptr, 0);
            make_topics_by_asking(std::move(asking), missing, limit_ms);
            return;
        }
        note_refusals(*rd_kafka_event_CreateTopics_result(answer.get()));
    }
    void note_refusals(const rd_kafka_CreateTopics_result_t& answer) {
        for (const rd_kafka_topic_result_t* each : results_of(answer)) {
            const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(each);
            if (code != RD_KAFKA_RESP_ERR_NO_ERROR && classify(code) == condition::permanent) {
                refused_[rd_kafka_topic_result_name(each)] = code;
            }
        }
    }

    std::vector<companion> wanted_;
    std::vector<const std::string*> added_;
    bool creates_;
    clock::time_point create_by_{};                      ///< of all that are missing
    std::map<std::string, rd_kafka_resp_err_t> refused_; ///< which will not be made
    const std::string* asked_ = nullptr;
    topic_answer needed_; ///< the answer: companions of one topic follow each other
};

} // namespace cobus::detail::kafka
