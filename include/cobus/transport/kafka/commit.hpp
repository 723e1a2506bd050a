#pragma once

#include "../transport.hpp"
#include "assignment.hpp"
#include "error.hpp"
#include "handle.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace cobus::detail::kafka {

inline void add_metadata(rd_kafka_topic_partition_t& to, const std::string& metadata) noexcept {
    // The list frees it with free(). NOLINTNEXTLINE(cppcoreguidelines-no-malloc)
    to.metadata = std::malloc(metadata.size());
    if (to.metadata != nullptr) {
        std::memcpy(to.metadata, metadata.data(), metadata.size());
        to.metadata_size = metadata.size();
    }
}

/// Where everything was handled that was read, the client's position is committed instead: there
/// may be what is no message between them.
inline void skip_what_is_no_message(rd_kafka_t* client, rd_kafka_topic_partition_list_t& list,
                                    std::span<source* const> sources) {
    const partition_list_ptr places(rd_kafka_topic_partition_list_new(list.cnt));
    for (const auto& each : std::span(list.elems, static_cast<std::size_t>(list.cnt))) {
        rd_kafka_topic_partition_list_add(places.get(), each.topic, each.partition);
    }
    (void)rd_kafka_position(client, places.get());
    for (std::size_t i = 0; i < sources.size(); ++i) {
        list.elems[i].offset =
            sources[i]->way.commit(list.elems[i].offset, places->elems[i].offset);
    }
}

/// Positions as librdkafka takes them; those of an assignment that is over are left out.
[[nodiscard]] inline auto commit_list(rd_kafka_t* client, std::span<const position> positions,
                                      assignment& here, std::uint32_t epoch) -> partition_list_ptr {
    std::vector<source*> sources;
    partition_list_ptr list(rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
    for (const position& each : positions) {
        source* const found = here.find(each.where);
        if (found == nullptr || found->epoch != epoch) {
            continue;
        }
        auto* element = rd_kafka_topic_partition_list_add(list.get(), each.where.topic->c_str(),
                                                          each.where.partition);
        element->offset = each.offset;
        if (!each.metadata.empty()) {
            add_metadata(*element, each.metadata);
        }
        sources.push_back(found);
    }
    skip_what_is_no_message(client, *list, sources);
    return list;
}

/// What became of a commit.
[[nodiscard]] inline auto commit_error(rd_kafka_event_t* event) -> std::error_code {
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const auto* list = rd_kafka_event_topic_partition_list(event);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && list != nullptr) {
        for (const auto& each : std::span(list->elems, static_cast<std::size_t>(list->cnt))) {
            code = each.err != RD_KAFKA_RESP_ERR_NO_ERROR ? each.err : code;
        }
    }
    return code == RD_KAFKA_RESP_ERR__NO_OFFSET ? std::error_code() : code_of(code);
}

} // namespace cobus::detail::kafka
