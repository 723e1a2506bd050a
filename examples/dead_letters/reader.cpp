#include "reader.hpp"

#include <cobus/net.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace dead_letters {
namespace {

constexpr int patience_ms = 30'000;

void check(rd_kafka_resp_err_t failed, const std::string& what) {
    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
        throw std::runtime_error(what + ": " + rd_kafka_err2str(failed));
    }
}

struct destroy_metadata {
    void operator()(const rd_kafka_metadata_t* all) const noexcept {
        rd_kafka_metadata_destroy(all);
    }
};
using metadata_ptr = std::unique_ptr<const rd_kafka_metadata_t, destroy_metadata>;

[[nodiscard]] auto metadata(rd_kafka_t* client) -> metadata_ptr {
    const rd_kafka_metadata_t* found = nullptr;
    check(rd_kafka_metadata(client, 1, nullptr, &found, patience_ms),
          "Kafka does not say which topics it has");
    return metadata_ptr(found);
}

[[nodiscard]] auto bytes(const void* from, std::size_t size) -> std::optional<std::string> {
    if (from == nullptr) {
        return std::nullopt;
    }
    return std::string(static_cast<const char*>(from), size);
}

[[nodiscard]] auto convert(const rd_kafka_message_t& from) -> letter {
    letter made;
    made.where = {rd_kafka_topic_name(from.rkt), from.partition, from.offset};
    made.timestamp = rd_kafka_message_timestamp(&from, nullptr);
    made.key = bytes(from.key, from.key_len);
    made.payload = bytes(from.payload, from.len);
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
            made.headers.add_null(name);
        } else {
            made.headers.add(name, {static_cast<const char*>(value), size});
        }
    }
    return made;
}

} // namespace

reader::reader(const cobus::settings& how) {
    const cobus::transport_options options = how.transport_options(cobus::net::any_io_executor());
    std::map<std::string, std::string> properties;
    for (const auto& [name, value] : options.properties) {
        properties[name] = value;
    }
    std::string& brokers = properties["bootstrap.servers"];
    for (const std::string& each : how.brokers()) {
        brokers.append(brokers.empty() ? "" : ",").append(each);
    }
    properties["group.id"] = "cobus-dead-letters"; // never joined
    properties["enable.auto.commit"] = "false";
    properties["enable.partition.eof"] = "true"; // compaction may have taken the last message
    std::array<char, 512> reason{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    for (const auto& [name, value] : properties) {
        if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason.data(), reason.size()) !=
            RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            throw std::runtime_error("librdkafka refuses the property " + name);
        }
    }
    client_.reset(rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason.data(), reason.size()));
    if (!client_) {
        rd_kafka_conf_destroy(conf);
        throw std::runtime_error(reason.data());
    }
    rd_kafka_poll_set_consumer(client_.get());
}

auto reader::topics() -> std::vector<std::string> {
    std::vector<std::string> found;
    const metadata_ptr all = metadata(client_.get());
    for (int i = 0; i < all->topic_cnt; ++i) {
        const std::string_view name = all->topics[i].topic;
        if (name.starts_with("dlq.")) {
            found.emplace_back(name);
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

auto reader::stretches(const std::string& topic) -> std::vector<stretch> {
    std::vector<stretch> found;
    const metadata_ptr all = metadata(client_.get());
    const rd_kafka_metadata_topic* const begin = all->topics;
    const rd_kafka_metadata_topic* const end = begin + all->topic_cnt;
    const rd_kafka_metadata_topic* const which = std::find_if(
        begin, end, [&](const rd_kafka_metadata_topic& each) { return topic == each.topic; });
    if (which == end) {
        return found;
    }
    for (int i = 0; i < which->partition_cnt; ++i) {
        stretch part{which->partitions[i].id, 0, 0};
        check(rd_kafka_query_watermark_offsets(client_.get(), topic.c_str(), part.partition,
                                               &part.next, &part.end, patience_ms),
              "where " + topic + " ends is not known");
        if (part.next < part.end) {
            found.push_back(part);
        }
    }
    return found;
}

void reader::read(const std::string& topic, const std::function<void(letter)>& take) {
    read(topic, stretches(topic), take);
}

auto reader::read_one(const place& where) -> std::optional<letter> {
    std::optional<letter> found;
    std::vector<stretch> wanted = stretches(where.topic);
    std::erase_if(wanted, [&](const stretch& each) {
        return each.partition != where.partition || where.offset < each.next ||
               where.offset >= each.end;
    });
    for (stretch& each : wanted) {
        each = {each.partition, where.offset, where.offset + 1};
    }
    read(where.topic, std::move(wanted), [&](letter one) {
        if (one.where == where) {
            found = std::move(one);
        }
    });
    return found;
}

void reader::read(const std::string& topic, std::vector<stretch> all,
                  const std::function<void(letter)>& take) {
    if (all.empty()) {
        return;
    }
    rd_kafka_topic_partition_list_t* const list =
        rd_kafka_topic_partition_list_new(static_cast<int>(all.size()));
    for (const stretch& each : all) {
        rd_kafka_topic_partition_list_add(list, topic.c_str(), each.partition)->offset = each.next;
    }
    const auto assigned = rd_kafka_assign(client_.get(), list);
    rd_kafka_topic_partition_list_destroy(list);
    check(assigned, "reading " + topic);
    auto silent_since = std::chrono::steady_clock::now();
    while (!all.empty()) {
        const std::unique_ptr<rd_kafka_message_t, decltype(&rd_kafka_message_destroy)> got(
            rd_kafka_consumer_poll(client_.get(), 200), &rd_kafka_message_destroy);
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
                take(convert(*got));
            }
        }
        if (part != all.end() && (at_end || got->offset + 1 >= part->end)) {
            all.erase(part);
        }
    }
    check(rd_kafka_assign(client_.get(), nullptr), "reading " + topic);
}

} // namespace dead_letters
