#include <cobus/detail/routes.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace routes_test {

struct placed {};
struct paid {};
struct shipped {};
struct viewed {};

} // namespace routes_test

template <> struct cobus::contract<routes_test::placed> {
    static constexpr std::string_view type = "placed", topic = "orders";
    static constexpr auto policy = cobus::policy::spool;
};
template <> struct cobus::contract<routes_test::paid> {
    static constexpr std::string_view type = "paid", topic = "orders";
};
template <> struct cobus::contract<routes_test::shipped> {
    static constexpr std::string_view type = "shipped", topic = "orders";
    static constexpr auto policy = cobus::policy::fail;
};
template <> struct cobus::contract<routes_test::viewed> {
    static constexpr std::string_view type = "viewed", topic = "views";
    static constexpr auto policy = cobus::policy::fail;
};

namespace routes_test {

/// What a bus logs that comes to know all of those, one after the other.
auto logged(bool kafka, cobus::policy otherwise, bool with_shipped) -> std::vector<std::string> {
    std::vector<std::string> lines;
    cobus::settings how;
    how.kafka(kafka).when_away(otherwise).logger(
        [&lines](cobus::log_level level, std::string_view text) {
            lines.emplace_back(std::string(to_string(level)).append(": ").append(text));
        });
    cobus::detail::route_table table(how);
    (void)table.find(cobus::detail::info_of<placed>());
    (void)table.find(cobus::detail::info_of<paid>());
    (void)table.find(cobus::detail::info_of<viewed>());
    if (with_shipped) {
        (void)table.find(cobus::detail::info_of<shipped>());
    }
    (void)table.find(cobus::detail::info_of<paid>());
    return lines;
}

} // namespace routes_test

TEST_CASE("policies that are mixed on one topic are warned of, once for the topic") {
    const auto lines = routes_test::logged(true, cobus::policy::deliver_and_spool, true);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].starts_with("warning: events of topic orders have different policies"));
    CHECK(routes_test::logged(true, cobus::policy::spool, true).size() == 1);
}

TEST_CASE("one policy for a topic is not, nor is any where Kafka is not enabled") {
    CHECK(routes_test::logged(true, cobus::policy::spool, false).empty());
    CHECK(routes_test::logged(false, cobus::policy::deliver, true).empty());
}
