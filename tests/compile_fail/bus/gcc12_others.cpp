// expects: cobus: GCC 12 would destroy this temporary twice inside co_await: give it a name first
// expects: [with Args = {called}]
// expects: [with Args = {said_with}]
// expects: [with Args = {published}]
// expects: [with Args = {said_within}]
// expects: [with Args = {called_by_token}]
// expects: [with Args = {published_by_token}]
// expects: [with Args = {in_a_tuple}]
// expects: [with Args = {within_by_token}]
// expects: [with Args = {std::array<in_a_range, 1>}]
// compiler: GNU 12
#include "as_tuple.hpp"

#include <cobus/cobus.hpp>

#include <array>
#include <string>

// Each event has a type of its own, so that each call has to be refused for itself.
struct called {
    std::string text;
};
struct said_with {
    std::string text;
};
struct published {
    std::string text;
};
struct said_within {
    std::string text;
};
struct called_by_token {
    std::string text;
};
struct published_by_token {
    std::string text;
};
struct in_a_tuple {
    std::string text;
};
struct within_by_token {
    std::string text;
};
struct in_a_range {
    std::string text;
};

template <> struct cobus::contract<called> {
    static constexpr std::string_view type = "called", topic = "notes";
};
template <> struct cobus::contract<said_with> {
    static constexpr std::string_view type = "said_with", topic = "notes";
};
template <> struct cobus::contract<published> {
    static constexpr std::string_view type = "published", topic = "notes";
};
template <> struct cobus::contract<said_within> {
    static constexpr std::string_view type = "said_within", topic = "notes";
};
template <> struct cobus::contract<called_by_token> {
    static constexpr std::string_view type = "called_by_token", topic = "notes";
};
template <> struct cobus::contract<published_by_token> {
    static constexpr std::string_view type = "published_by_token", topic = "notes";
};
template <> struct cobus::contract<in_a_tuple> {
    static constexpr std::string_view type = "in_a_tuple", topic = "notes";
};
template <> struct cobus::contract<within_by_token> {
    static constexpr std::string_view type = "within_by_token", topic = "notes";
};
template <> struct cobus::contract<in_a_range> {
    static constexpr std::string_view type = "in_a_range", topic = "notes";
};

cobus::net::awaitable<void> wrong(cobus::bus& bus, const cobus::context& here) {
    const cobus::publish_options said;
    const auto token = cobus::net::use_awaitable;
    co_await bus.call(called{"hello"});
    co_await bus.call(called_by_token{"hello"}, token);
    co_await bus.publish(said_with{"hello"}, said);
    co_await bus.publish(published_by_token{"hello"}, token);
    co_await bus.publish(in_a_tuple{"hello"}, cobus::test::as_tuple(token));
    co_await bus.publish_all(std::array<in_a_range, 1>{in_a_range{"hello"}});
    co_await here.publish(published{"hello"});
    co_await here.publish(said_within{"hello"}, said);
    co_await here.publish(within_by_token{"hello"}, token);
}
