#pragma once

#include <cobus/json.hpp>

#include <string>
#include <string_view>

namespace cobus::test {

/// An event for Kafka, in JSON.
struct order {
    std::string key;
    int number = 0;
};

} // namespace cobus::test

template <> struct cobus::contract<cobus::test::order> {
    using event = cobus::test::order;
    static constexpr std::string_view type = "order", topic = "orders";
    static constexpr auto key = &event::key;
    static constexpr auto fields =
        cobus::fields(field("key", &event::key), field("number", &event::number));
    using codec = cobus::json_codec;
};
