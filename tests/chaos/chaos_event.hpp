#pragma once

#include "activity/activity_event.hpp"

#include <cobus/contract.hpp>
#include <cobus/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>

/// An event of the activity file, and whose how many-th publish it is: by that the judge knows it
/// again in the topic and in what handlers wrote.
struct chaos_event {
    std::string publisher;
    std::uint64_t sequence = 0;
    std::string user_id;
    activity_event activity;
};

template <> struct cobus::contract<chaos_event> {
    using event = chaos_event;
    static constexpr std::string_view type = "chaos", topic = "chaos";
    static constexpr auto key = &event::user_id;
    static constexpr auto wire = cobus::wire::binary(); // with ce_id, by which copies are told
    static constexpr auto fields =
        cobus::fields(field("publisher", &event::publisher), field("sequence", &event::sequence),
                      field("user_id", &event::user_id), field("activity", &event::activity));
    using codec = cobus::json_codec;
};
