#include <cobus/cobus.hpp>
#include <cobus/testing.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using cobus::testing::bus_fixture;
namespace net = cobus::net;

// What becomes of events when a handler goes while the bus runs.

namespace {

struct parcel {
    std::string street;
    int number = 0;
};

auto postal_settings() -> cobus::settings {
    cobus::settings how;
    how.group_id("post").partitions(1);
    return how;
}
auto publish_parcel(bus_fixture& t, std::string street, int number) {
    const parcel event{std::move(street), number};
    t.publish(event);
}
auto committed_parcels(const bus_fixture& t) {
    return t.broker().committed("post", "parcels", 0).offset;
}

} // namespace

template <> struct cobus::contract<parcel> {
    static constexpr std::string_view type = "parcel", topic = "parcels";
    static constexpr auto key = &parcel::street;
};

TEST_CASE("a handler that goes while it runs holds nothing up, and a call says that it went") {
    bus_fixture t(postal_settings());
    int delivered = 0;
    auto quick = t.bus.on<parcel>("quick", [&](const parcel&) { ++delivered; });
    std::optional slow = t.bus.on<parcel>(
        "slow", [&](const parcel&) -> net::awaitable<void> { co_await t.clock().sleep(1h); });
    t.settle();
    std::error_code told;
    const parcel first{"Elm", 1};
    t.bus.call(first, [&](std::error_code ec) { told = ec; });
    publish_parcel(t, "Elm", 2); // waits behind it
    t.settle();
    CHECK_FALSE(told);
    slow.reset();
    t.advance(1s);
    CHECK(told == cobus::errc::handler_failed);
    publish_parcel(t, "Oak", 3);
    t.advance(1s);
    CHECK(delivered == 3);
    t.stop();
    CHECK(committed_parcels(t) == 3);
}

TEST_CASE("what the last handler of a topic leaves behind is for the next one") {
    bus_fixture t(postal_settings());
    std::vector<int> begun;
    std::vector<int> ended;
    const auto carry = [&](const parcel& event) -> net::awaitable<void> {
        begun.push_back(event.number);
        co_await t.clock().sleep(event.number == 2 ? 1h : 1s);
        ended.push_back(event.number);
    };
    std::optional carrier = t.bus.on<parcel>("carrier", carry);
    for (int i = 1; i <= 4; ++i) {
        publish_parcel(t, i == 1 ? "Oak" : "Elm", i); // 3 and 4 wait behind 2
    }
    t.advance(10s);
    CHECK(ended == std::vector{1});
    bool failed = false;
    const parcel called{"Elm", 5};
    t.bus.call(called, [&](std::error_code ec) { failed = ec == cobus::errc::handler_failed; });
    t.settle();
    carrier.reset();
    t.advance(10s);
    CHECK(failed);
    CHECK(committed_parcels(t) == 1);
    carrier = t.bus.on<parcel>("carrier", carry);
    t.until_idle();
    CHECK(begun == std::vector{1, 2, 2, 3, 4, 5});
    CHECK(ended == std::vector{1, 2, 3, 4, 5});
    t.stop();
    CHECK(committed_parcels(t) == 5);
}

TEST_CASE("a call that was told of its end is not told again when its event comes again") {
    bus_fixture t;
    const auto carry = [&](const parcel& event) -> net::awaitable<void> {
        co_await t.clock().sleep(event.number == 1 ? 24h : event.number == 3 ? 1h : 0s);
    };
    std::optional carrier = t.bus.on<parcel>("carrier", carry);
    publish_parcel(t, "Elm", 1);
    int told = 0;
    const parcel second{"Oak", 2};
    t.bus.call(second, [&](std::error_code ec) { told += ec ? 0 : 1; });
    t.advance(1s);
    CHECK(told == 1);
    carrier.reset();
    t.advance(1s);
    carrier = t.bus.on<parcel>("carrier", carry); // gets both again
    bool over = false;
    const parcel third{"Ash", 3}; // may get the second one's node
    t.bus.call(third, [&](std::error_code) { over = true; });
    t.advance(30min);
    CHECK_FALSE(over);
    t.advance(1h);
    CHECK(over);
    CHECK(told == 1);
}

TEST_CASE("whoever waits for a subscription that is over hears so at once") {
    bus_fixture t;
    auto carrier = t.bus.on<parcel>("carrier", [](const parcel&) {});
    std::optional<std::error_code> closed;
    std::optional<std::error_code> ready;
    SUBCASE("because it was closed") {
        t.run(carrier.close());
        t.settle();
    }
    SUBCASE("because the bus has stopped") { t.stop(); }
    carrier.close([&](std::error_code ec) { closed = ec; });
    carrier.ready([&](std::error_code ec) { ready = ec; });
    CHECK_FALSE(closed.has_value()); // not within the call
    t.settle();
    CHECK(closed == std::error_code());
    CHECK(ready == cobus::errc::closed);
}
