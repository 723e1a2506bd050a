#include "kafka_client.hpp"

#include <cobus/net.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <stdexcept>
#include <utility>

namespace tools {

void check(rd_kafka_resp_err_t failed, const std::string& what) {
    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
        throw std::runtime_error(what + ": " + rd_kafka_err2str(failed));
    }
}

auto open_client(const cobus::settings& how, const std::string& group) -> client_ptr {
    const cobus::transport_options options = how.transport_options(cobus::net::any_io_executor());
    std::map<std::string, std::string> properties;
    for (const auto& [name, value] : options.properties) {
        properties[name] = value;
    }
    std::string& brokers = properties["bootstrap.servers"];
    for (const std::string& each : how.brokers()) {
        brokers.append(brokers.empty() ? "" : ",").append(each);
    }
    properties["group.id"] = group;
    properties["enable.auto.commit"] = "false";
    properties["enable.partition.eof"] = "true"; // compaction may have taken the last message
    for (const char* const member : {"group.instance.id", "group.protocol"}) {
        properties.erase(member); // what members of a group have; this is none
    }
    std::array<char, 512> reason{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    for (const auto& [name, value] : properties) {
        if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason.data(), reason.size()) !=
            RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            throw std::runtime_error("librdkafka refuses the property " + name);
        }
    }
    client_ptr client(rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason.data(), reason.size()));
    if (!client) {
        rd_kafka_conf_destroy(conf);
        throw std::runtime_error(reason.data());
    }
    rd_kafka_poll_set_consumer(client.get());
    return client;
}

auto metadata(rd_kafka_t* client) -> metadata_ptr {
    const rd_kafka_metadata_t* found = nullptr;
    check(rd_kafka_metadata(client, 1, nullptr, &found, patience_ms),
          "Kafka does not say which topics it has");
    return metadata_ptr(found);
}

auto whole(rd_kafka_t* client, const std::string& topic, std::int32_t partition) -> stretch {
    stretch part{partition};
    check(rd_kafka_query_watermark_offsets(client, topic.c_str(), partition, &part.next, &part.end,
                                           patience_ms),
          "where " + topic + " ends is not known");
    return part;
}

auto whole(rd_kafka_t* client, const std::string& topic) -> std::vector<stretch> {
    std::vector<stretch> found;
    const metadata_ptr all = metadata(client);
    const rd_kafka_metadata_topic* const end = all->topics + all->topic_cnt;
    const rd_kafka_metadata_topic* const which =
        std::find_if(all->topics, all->topics + all->topic_cnt,
                     [&](const rd_kafka_metadata_topic& each) { return topic == each.topic; });
    for (int i = 0; which != end && i < which->partition_cnt; ++i) {
        found.push_back(whole(client, topic, which->partitions[i].id));
    }
    return found;
}

void read(rd_kafka_t* client, const std::string& topic, std::vector<stretch> all,
          const std::function<void(const rd_kafka_message_t&)>& take) {
    std::erase_if(all, [](const stretch& each) { return each.next >= each.end; });
    if (all.empty()) {
        return;
    }
    const list_ptr list = new_list(all.size());
    for (const stretch& each : all) {
        rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), each.partition)->offset =
            each.next;
    }
    check(rd_kafka_assign(client, list.get()), "reading " + topic);
    auto silent_since = std::chrono::steady_clock::now();
    while (!all.empty()) {
        const std::unique_ptr<rd_kafka_message_t, decltype(&rd_kafka_message_destroy)> got(
            rd_kafka_consumer_poll(client, 200), &rd_kafka_message_destroy);
        if (!got) {
            if (std::chrono::steady_clock::now() - silent_since >
                std::chrono::milliseconds(patience_ms)) {
                throw std::runtime_error("Kafka went silent while " + topic + " was read");
            }
            continue;
        }
        silent_since = std::chrono::steady_clock::now();
        const bool at_end = got->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        const auto part = std::find_if(all.begin(), all.end(), [&](const stretch& each) {
            return each.partition == got->partition;
        });
        if (!at_end) {
            check(got->err, "reading " + topic);
            if (part != all.end() && got->offset < part->end) {
                take(*got);
            }
        }
        if (part != all.end() && (at_end || got->offset + 1 >= part->end)) {
            all.erase(part);
        }
    }
    check(rd_kafka_assign(client, nullptr), "reading " + topic);
}

auto headers_of(const rd_kafka_message_t& from) -> cobus::headers {
    cobus::headers made;
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&from, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return made;
    }
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
        if (value == nullptr) {
            made.add_null(name);
        } else {
            made.add(name, {static_cast<const char*>(value), size});
        }
    }
    return made;
}

} // namespace tools
