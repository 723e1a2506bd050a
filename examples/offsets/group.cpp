#include "group.hpp"

#include <memory>
#include <set>
#include <stdexcept>
#include <string_view>

namespace offsets {
namespace {

[[nodiscard]] auto place(const rd_kafka_topic_partition_t& of) -> std::string {
    return std::string(of.topic) + "/" + std::to_string(of.partition);
}

/// What a broker answers who is to commit for a group whose members do that.
[[nodiscard]] auto has_members(rd_kafka_resp_err_t answer) -> bool {
    return answer == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           answer == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           answer == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

} // namespace

auto members_text(const std::string& group) -> std::string {
    return "the group " + group +
           " has members, which would commit over this: stop its services first (one that was "
           "killed is a member until its session ends, 45 s unless said otherwise)";
}

group::group(const cobus::settings& how, const std::string& name)
    : name_(name), client_(tools::open_client(how, name)) {}

auto group::members() const -> std::size_t {
    const rd_kafka_group_list* found = nullptr;
    tools::check(rd_kafka_list_groups(client_.get(), name_.c_str(), &found, tools::patience_ms),
                 "Kafka does not say who is in the group " + name_);
    const std::unique_ptr<const rd_kafka_group_list, decltype(&rd_kafka_group_list_destroy)> all(
        found, &rd_kafka_group_list_destroy);
    if (all->group_cnt == 0) {
        throw std::runtime_error("Kafka knows no group " + name_ +
                                 ", or does not show it to this user");
    }
    tools::check(all->groups[0].err, "Kafka does not say who is in the group " + name_);
    return static_cast<std::size_t>(all->groups[0].member_cnt);
}

auto group::topics() const -> std::vector<std::string> {
    const tools::metadata_ptr all = tools::metadata(client_.get());
    const tools::list_ptr list = tools::new_list(16);
    for (int i = 0; i < all->topic_cnt; ++i) {
        for (int k = 0; k < all->topics[i].partition_cnt; ++k) {
            rd_kafka_topic_partition_list_add(list.get(), all->topics[i].topic,
                                              all->topics[i].partitions[k].id);
        }
    }
    if (list->cnt == 0) {
        return {};
    }
    tools::check(rd_kafka_committed(client_.get(), list.get(), tools::patience_ms),
                 "Kafka does not say where the group " + name_ + " stands");
    std::set<std::string> found;
    for (int i = 0; i < list->cnt; ++i) {
        if (list->elems[i].offset >= 0) {
            found.insert(list->elems[i].topic);
        }
    }
    return {found.begin(), found.end()};
}

auto group::positions(const std::string& topic) const -> std::vector<position> {
    std::vector<position> found;
    const std::vector<tools::stretch> parts = tools::whole(client_.get(), topic);
    if (parts.empty()) {
        throw std::runtime_error("Kafka has no topic " + topic);
    }
    const tools::list_ptr list = tools::new_list(parts.size());
    for (const tools::stretch& each : parts) {
        rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), each.partition);
    }
    const std::string problem = "Kafka does not say where the group " + name_ + " stands";
    tools::check(rd_kafka_committed(client_.get(), list.get(), tools::patience_ms), problem);
    for (const tools::stretch& each : parts) {
        const rd_kafka_topic_partition_t* const answer =
            rd_kafka_topic_partition_list_find(list.get(), topic.c_str(), each.partition);
        tools::check(answer->err, problem + " in " + place(*answer));
        position made{.topic = topic, .partition = each.partition};
        if (answer->offset >= 0) {
            made.committed = answer->offset;
        }
        made.begin = each.next;
        made.end = each.end;
        found.push_back(std::move(made));
    }
    return found;
}

void group::aim(std::vector<position>& all, const target& at) const {
    if (at.what != target::kind::time) {
        for (position& each : all) {
            each.to = at.what == target::kind::earliest ? each.begin : each.end;
        }
        return;
    }
    const tools::list_ptr list = tools::new_list(all.size());
    for (const position& each : all) {
        rd_kafka_topic_partition_list_add(list.get(), each.topic.c_str(), each.partition)->offset =
            at.milliseconds;
    }
    const std::string problem = "Kafka does not say where that time begins";
    tools::check(rd_kafka_offsets_for_times(client_.get(), list.get(), tools::patience_ms),
                 problem);
    for (position& each : all) {
        const rd_kafka_topic_partition_t* const answer =
            rd_kafka_topic_partition_list_find(list.get(), each.topic.c_str(), each.partition);
        tools::check(answer->err, problem + " in " + place(*answer));
        each.to = answer->offset >= 0 ? answer->offset : each.end; // nothing is as late
    }
}

void group::commit(const std::vector<position>& all) const {
    const tools::list_ptr list = tools::new_list(all.size());
    for (const position& each : all) {
        // Without metadata: cobus keeps there what it has handled behind the offset, and skips
        // that.
        rd_kafka_topic_partition_list_add(list.get(), each.topic.c_str(), each.partition)->offset =
            each.to;
    }
    const auto failed = rd_kafka_commit(client_.get(), list.get(), 0);
    const auto refuse = [&](rd_kafka_resp_err_t answer, const std::string& what) {
        if (has_members(answer)) {
            throw std::runtime_error(members_text(name_));
        }
        tools::check(answer, "Kafka does not take the position of " + what);
    };
    for (int i = 0; i < list->cnt; ++i) {
        refuse(list->elems[i].err, place(list->elems[i]));
    }
    refuse(failed, name_);
}

} // namespace offsets
