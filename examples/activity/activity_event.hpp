#pragma once

#include <cobus/contract.hpp>
#include <cobus/json.hpp>

#include <chrono>
#include <string>
#include <string_view>

/// What a visitor did, as the community site writes it: one JSON shape for all types, no envelope.
struct activity_event {
    struct properties {
        std::string geo_location, ip_address, device, browser, platform;

        friend auto operator==(const properties&, const properties&) -> bool = default;
    };
    struct http_request {
        std::string method, path, ip_address;

        friend auto operator==(const http_request&, const http_request&) -> bool = default;
    };

    std::string user_id, event_type, description, entity_type, entity_id, session_id;
    properties props;
    http_request request;
    std::chrono::sys_time<std::chrono::milliseconds> occurred_at;

    friend auto operator==(const activity_event&, const activity_event&) -> bool = default;
};

template <>
struct cobus::contract<activity_event::properties> {
    using event = activity_event::properties;
    static constexpr auto fields =
        cobus::fields(field("geo_location", &event::geo_location),
                      field("ip_address", &event::ip_address), field("device", &event::device),
                      field("browser", &event::browser), field("platform", &event::platform));
};

template <>
struct cobus::contract<activity_event::http_request> {
    using event = activity_event::http_request;
    static constexpr auto fields =
        cobus::fields(field("method", &event::method), field("path", &event::path),
                      field("ip_address", &event::ip_address));
};

template <>
struct cobus::contract<activity_event> {
    using event = activity_event;
    static constexpr auto type = &event::event_type;
    static constexpr std::string_view topic = "event";
    static constexpr std::string_view description = "What a visitor did on the community site";
    static constexpr auto key = &event::user_id; // what one user did stays in order
    static constexpr auto time = &event::occurred_at;
    static constexpr auto wire = cobus::wire::plain("event_type");
    static constexpr auto fields = cobus::fields(
        field("user_id", &event::user_id), field("event_type", &event::event_type),
        field("description", &event::description), field("entity_type", &event::entity_type),
        field("entity_id", &event::entity_id), field("session_id", &event::session_id),
        field("props", &event::props), field("request", &event::request),
        field("occurred_at", &event::occurred_at));
    using codec = cobus::json_codec;
};
