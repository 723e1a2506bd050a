#include "reader.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace dead_letters {
namespace {

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
    made.headers = tools::headers_of(from);
    return made;
}

} // namespace

reader::reader(const cobus::settings& how)
    : client_(tools::open_client(how, "cobus-dead-letters")) {} // a group that nobody joins

auto reader::topics() -> std::vector<std::string> {
    std::vector<std::string> found;
    const tools::metadata_ptr all = tools::metadata(client_.get());
    for (int i = 0; i < all->topic_cnt; ++i) {
        const std::string_view name = all->topics[i].topic;
        if (name.starts_with("dlq.")) {
            found.emplace_back(name);
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

void reader::read(const std::string& topic, const std::function<void(letter)>& take) {
    read(topic, tools::whole(client_.get(), topic), take);
}

auto reader::read_one(const place& where) -> std::optional<letter> {
    std::optional<letter> found;
    std::vector<tools::stretch> wanted = tools::whole(client_.get(), where.topic);
    std::erase_if(wanted, [&](const tools::stretch& each) {
        return each.partition != where.partition || where.offset < each.next ||
               where.offset >= each.end;
    });
    for (tools::stretch& each : wanted) {
        each = {each.partition, where.offset, where.offset + 1};
    }
    read(where.topic, std::move(wanted), [&](letter one) {
        if (one.where == where) {
            found = std::move(one);
        }
    });
    return found;
}

void reader::read(const std::string& topic, std::vector<tools::stretch> all,
                  const std::function<void(letter)>& take) {
    tools::read(client_.get(), topic, std::move(all),
                [&](const rd_kafka_message_t& each) { take(convert(each)); });
}

} // namespace dead_letters
