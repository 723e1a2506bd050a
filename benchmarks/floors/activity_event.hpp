#pragma once

#include <chrono>
#include <string>

namespace floors {

/// An event of a community site's activity log; `make_activity_event` gives one of 507 bytes of
/// JSON.
struct activity_props {
    std::string geo_location, ip_address, device, browser, platform;
    friend auto operator==(const activity_props&, const activity_props&) -> bool = default;
};
struct activity_request {
    std::string method, path, ip_address;
    friend auto operator==(const activity_request&, const activity_request&) -> bool = default;
};
struct activity_event {
    std::string user_id, event_type, description, entity_type, entity_id, session_id;
    activity_props props;
    activity_request request;
    std::chrono::sys_time<std::chrono::milliseconds> occurred_at;
    friend auto operator==(const activity_event&, const activity_event&) -> bool = default;
};

[[nodiscard]] inline auto make_activity_event() -> activity_event {
    activity_event made;
    made.user_id = "u-e19a16b4";
    made.event_type = "community_created";
    made.description = "u-e19a16b4: community created in parallel-consumer2020";
    made.entity_type = "community";
    made.entity_id = "parallel-consumer2020";
    made.session_id = "s-651d408a458312";
    made.props = activity_props{"UTC+01:00", "198.51.100.171", "Desktop", "Safari", "MacOS"};
    made.request = activity_request{"POST", "/api/parallel-consumer/communities/parallel-consumer",
                                    "198.51.100.171"};
    made.occurred_at = std::chrono::sys_time<std::chrono::milliseconds>(
        std::chrono::milliseconds(1'589'976'355'250));
    return made;
}

/// The same as JSON, for readers, and to hold writers against.
[[nodiscard]] inline auto activity_json() -> std::string {
    return R"({"user_id":"u-e19a16b4","event_type":"community_created",)"
           R"("description":"u-e19a16b4: community created in parallel-consumer2020",)"
           R"("entity_type":"community","entity_id":"parallel-consumer2020",)"
           R"("session_id":"s-651d408a458312","props":{"geo_location":"UTC+01:00",)"
           R"("ip_address":"198.51.100.171","device":"Desktop","browser":"Safari",)"
           R"("platform":"MacOS"},"request":{"method":"POST",)"
           R"("path":"/api/parallel-consumer/communities/parallel-consumer",)"
           R"("ip_address":"198.51.100.171"},"occurred_at":"2020-05-20T12:05:55.250Z"})";
}

} // namespace floors
