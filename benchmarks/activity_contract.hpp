#pragma once

#include "floors/activity_event.hpp"

#include <cobus/contract.hpp>

#include <string_view>

template <> struct cobus::contract<floors::activity_props> {
    using props = floors::activity_props;
    static constexpr auto fields = cobus::fields(
        cobus::field("geo_location", &props::geo_location),
        cobus::field("ip_address", &props::ip_address), cobus::field("device", &props::device),
        cobus::field("browser", &props::browser), cobus::field("platform", &props::platform));
};

template <> struct cobus::contract<floors::activity_request> {
    using request = floors::activity_request;
    static constexpr auto fields = cobus::fields(cobus::field("method", &request::method),
                                                 cobus::field("path", &request::path),
                                                 cobus::field("ip_address", &request::ip_address));
};

template <> struct cobus::contract<floors::activity_event> {
    using event = floors::activity_event;
    static constexpr auto type = &event::event_type;
    static constexpr std::string_view topic = "event";
    static constexpr auto key = &event::user_id;
    static constexpr auto wire = cobus::wire::plain("event_type");
    static constexpr auto fields = cobus::fields(
        cobus::field("user_id", &event::user_id), cobus::field("event_type", &event::event_type),
        cobus::field("description", &event::description),
        cobus::field("entity_type", &event::entity_type),
        cobus::field("entity_id", &event::entity_id),
        cobus::field("session_id", &event::session_id), cobus::field("props", &event::props),
        cobus::field("request", &event::request), cobus::field("occurred_at", &event::occurred_at));
    using codec = cobus::json_codec;
};
