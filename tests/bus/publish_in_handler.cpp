#include <cobus/cobus.hpp>
#include <cobus/testing.hpp>

#include <asio/detached.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

// What a handler publishes through its context.

namespace in_handler {

struct order {
    std::string number;
};
struct billed {
    std::string number;
    int part = 0;
};
struct shipped {
    std::string number;
};
/// Says its own id.
struct named {
    std::string id;
};

constexpr std::string_view trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

auto twice() -> cobus::retry_policy {
    return cobus::retry_policy().attempts(5).backoff(std::chrono::milliseconds(0),
                                                     std::chrono::milliseconds(0));
}
template <class E> auto ids(const cobus::testing::bus_fixture& t) -> std::vector<std::string> {
    std::vector<std::string> all;
    for (const auto& each : t.published<E>()) {
        all.push_back(each.content().id().str());
    }
    return all;
}

} // namespace in_handler

template <> struct cobus::contract<in_handler::order> {
    static constexpr std::string_view type = "order", topic = "orders";
    static constexpr auto key = &in_handler::order::number;
};
template <> struct cobus::contract<in_handler::billed> {
    static constexpr std::string_view type = "billed", topic = "bills";
    static constexpr auto key = &in_handler::billed::number;
};
template <> struct cobus::contract<in_handler::shipped> {
    static constexpr std::string_view type = "shipped", topic = "shipments";
};
template <> struct cobus::contract<in_handler::named> {
    static constexpr std::string_view type = "named", topic = "named";
    static constexpr auto id = &in_handler::named::id;
};

TEST_CASE("a handler that runs again publishes the same ids through its context") {
    cobus::testing::bus_fixture t;
    int tries = 0;
    auto bill =
        t.bus.on<in_handler::order>(cobus::handler("bill").retry(in_handler::twice()),
                                    [&](const in_handler::order& placed,
                                        cobus::context& context) -> cobus::net::awaitable<void> {
                                        in_handler::billed first{placed.number, 1};
                                        in_handler::billed second{placed.number, 2};
                                        in_handler::shipped sent{placed.number};
                                        co_await context.publish(first);
                                        if (++tries == 1) {
                                            throw std::runtime_error("crashed between its outputs");
                                        }
                                        co_await context.publish(second);
                                        co_await context.publish(sent);
                                        if (tries == 2) {
                                            throw std::runtime_error("crashed after its outputs");
                                        }
                                    });
    const in_handler::order placed{"o-1"};
    t.publish(placed);
    t.until_idle();
    const auto made = in_handler::ids<in_handler::billed>(t);
    REQUIRE(made.size() == 5); // 1, 1 2, 1 2
    CHECK(made[0] == made[1]);
    CHECK(made[0] == made[3]);
    CHECK(made[2] == made[4]);
    CHECK(made[0] != made[2]);
    CHECK(made[0][14] == '5');
    const auto sent = in_handler::ids<in_handler::shipped>(t);
    REQUIRE(sent.size() == 2);
    CHECK(sent[0] == sent[1]);
    CHECK(sent[0] != made[0]);
}

TEST_CASE("two handlers of one event, and two events at one handler, publish different ids") {
    cobus::testing::bus_fixture t;
    const auto pass_on = [](const in_handler::order& placed,
                            cobus::context& context) -> cobus::net::awaitable<void> {
        in_handler::shipped sent{placed.number};
        co_await context.publish(sent);
    };
    auto one = t.bus.on<in_handler::order>("one", pass_on);
    auto other = t.bus.on<in_handler::order>("other", pass_on);
    const in_handler::order first{"o-1"};
    const in_handler::order second{"o-2"};
    t.publish(first);
    t.publish(second);
    t.until_idle();
    const auto made = in_handler::ids<in_handler::shipped>(t);
    REQUIRE(made.size() == 4);
    CHECK(std::set<std::string>(made.begin(), made.end()).size() == 4);
}

TEST_CASE("bus.publish in a handler gives a new id each time, and its context does not") {
    cobus::testing::bus_fixture t;
    int tries = 0;
    auto bill = t.bus.on<in_handler::order>(
        cobus::handler("bill").retry(in_handler::twice()),
        [&](const in_handler::order& placed) -> cobus::net::awaitable<void> {
            in_handler::shipped sent{placed.number};
            co_await t.bus.publish(sent);
            if (++tries == 1) {
                throw std::runtime_error("again");
            }
        });
    const in_handler::order placed{"o-1"};
    t.publish(placed);
    t.until_idle();
    const auto made = in_handler::ids<in_handler::shipped>(t);
    REQUIRE(made.size() == 2);
    CHECK(made[0] != made[1]);
}

TEST_CASE("an id that the contract or the options name is kept") {
    cobus::testing::bus_fixture t;
    auto bill = t.bus.on<in_handler::order>(
        "bill",
        [](const in_handler::order&, cobus::context& context) -> cobus::net::awaitable<void> {
            in_handler::named own{"of its own"};
            co_await context.publish(own);
            in_handler::shipped sent{"x"};
            const auto how = cobus::with().id("said").header("h", "v").key("k");
            co_await context.publish(sent, how);
        });
    const in_handler::order placed{"o-1"};
    t.publish(placed);
    t.until_idle();
    CHECK(in_handler::ids<in_handler::named>(t).at(0) == "of its own");
    CHECK(in_handler::ids<in_handler::shipped>(t).at(0) == "said");
    const auto sent = t.published<in_handler::shipped>().at(0);
    CHECK(sent.content().headers().get("h") == "v");
    CHECK(sent.content().key() == "k");
}

TEST_CASE("the trace of the event is carried on unless the handler says another") {
    cobus::testing::bus_fixture t;
    auto bill = t.bus.on<in_handler::order>(
        "bill",
        [](const in_handler::order&, cobus::context& context) -> cobus::net::awaitable<void> {
            in_handler::shipped sent{"x"};
            co_await context.publish(sent);
            const auto how = cobus::with().traceparent("another");
            co_await context.publish(sent, how);
        });
    t.run([&t]() -> cobus::net::awaitable<void> {
        in_handler::order placed{"o-1"};
        const auto how =
            cobus::with().traceparent(in_handler::trace).header("tracestate", "vendor=1");
        co_await t.bus.publish(placed, how);
    });
    t.until_idle();
    const auto sent = t.published<in_handler::shipped>();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].content().headers().get("traceparent") == in_handler::trace);
    CHECK(sent[0].content().headers().get("tracestate") == "vendor=1");
    CHECK(sent[1].content().headers().get("traceparent") == "another");
    CHECK(sent[1].content().headers().get("tracestate") == std::nullopt);
}

TEST_CASE("a plain function publishes through its context with any other token") {
    cobus::testing::bus_fixture t;
    int told = 0;
    auto bill = t.bus.on<in_handler::order>(
        "bill", [&](const in_handler::order& placed, cobus::context& context) {
            context.publish(in_handler::shipped{placed.number},
                            [&](std::error_code ec, cobus::receipt) {
                                CHECK_FALSE(ec);
                                ++told;
                            });
            context.publish(in_handler::shipped{placed.number}, asio::detached);
        });
    const in_handler::order placed{"o-1"};
    t.publish(placed);
    t.until_idle();
    CHECK(told == 1);
    CHECK(in_handler::ids<in_handler::shipped>(t).size() == 2);
}

TEST_CASE("each event of a batch counts what is published because of it") {
    cobus::testing::bus_fixture t;
    int tries = 0;
    auto bill = t.bus.on_batch<in_handler::order>(
        cobus::handler("bill").batch(2, std::chrono::milliseconds(10)).retry(in_handler::twice()),
        [&](std::span<const in_handler::order> all,
            cobus::batch_context& batch) -> cobus::net::awaitable<void> {
            ++tries;
            for (std::size_t i = 0; i < all.size(); ++i) {
                in_handler::shipped sent{all[i].number};
                for (int part = 0; part < 2; ++part) {
                    const auto about = batch.at(i).next_id("shipped");
                    const auto how = cobus::with().id(about.str());
                    co_await t.bus.publish(sent, how);
                }
            }
            if (tries == 1) {
                throw std::runtime_error("again, one by one");
            }
        });
    const in_handler::order first{"o-1"};
    const in_handler::order second{"o-2"};
    t.publish(first);
    t.publish(second);
    t.until_idle();
    const auto made = in_handler::ids<in_handler::shipped>(t);
    REQUIRE(made.size() == 8);
    CHECK(std::set<std::string>(made.begin(), made.end()).size() == 4);
}
