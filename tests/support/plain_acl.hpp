#pragma once

#include "plain_client.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace cobus::test {

/// A right, as a principal has it from anywhere.
struct plain_right {
    std::string principal;
    rd_kafka_AclOperation_t operation;
    rd_kafka_ResourceType_t on;
    std::string name;
};

/// Grants them all and returns when the broker has them.
inline void plain_grant(const std::string& brokers, const std::vector<plain_right>& rights) {
    const auto request = [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
        std::vector<rd_kafka_AclBinding_t*> all;
        char reason[256] = "";
        for (const plain_right& each : rights)
            all.push_back(rd_kafka_AclBinding_new(
                each.on, each.name.c_str(), RD_KAFKA_RESOURCE_PATTERN_LITERAL,
                ("User:" + each.principal).c_str(), "*", each.operation,
                RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, reason, sizeof reason));
        rd_kafka_CreateAcls(client, all.data(), all.size(), nullptr, queue);
        rd_kafka_AclBinding_destroy_array(all.data(), all.size());
    };
    const auto result = [](rd_kafka_event_t* answer) {
        std::size_t count = 0;
        const rd_kafka_acl_result_t** results =
            rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(answer), &count);
        for (std::size_t i = 0; i < count; ++i)
            if (const rd_kafka_error_t* error = rd_kafka_acl_result_error(results[i]))
                return rd_kafka_error_code(error);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    };
    plain_detail::ask(brokers, "rights", request, result);
}

} // namespace cobus::test
