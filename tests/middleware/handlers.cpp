#include <cobus/cobus.hpp>
#include <cobus/testing.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using cobus::handler;
using cobus::testing::bus_fixture;
namespace net = cobus::net;

// What handler options promise, on a whole bus with virtual time.

namespace {

struct purchase {
    std::string customer;
    int number = 0;
};

struct run_of {
    int number;
    std::chrono::milliseconds at;
    unsigned attempt;
};

/// What ran, and when.
struct diary {
    explicit diary(bus_fixture& t) noexcept : of(&t) {}
    void add(int number, unsigned attempt = 1) {
        runs.push_back(
            {number, std::chrono::round<std::chrono::milliseconds>(of->clock().passed()), attempt});
    }
    [[nodiscard]] auto numbers() const -> std::vector<int> {
        std::vector<int> all;
        for (const run_of& each : runs) {
            all.push_back(each.number);
        }
        return all;
    }
    [[nodiscard]] auto times() const -> std::vector<std::chrono::milliseconds> {
        std::vector<std::chrono::milliseconds> all;
        for (const run_of& each : runs) {
            all.push_back(each.at);
        }
        return all;
    }

    bus_fixture* of;
    std::vector<run_of> runs;
};

auto try_purchases(unsigned attempts = 5) -> cobus::retry_policy {
    return cobus::retry_policy().attempts(attempts).backoff(0ms, 0ms);
}
void publish_purchases(bus_fixture& t, int first, int count, int customers = 1000) {
    for (int i = first; i < first + count; ++i) {
        const purchase event{"customer " + std::to_string(i % customers), i};
        t.publish(event);
    }
}

} // namespace

template <> struct cobus::contract<purchase> {
    static constexpr std::string_view type = "order", topic = "orders";
    static constexpr auto key = &purchase::customer;
};

// --- time limit

TEST_CASE("a run that takes too long is ended and tried again, and then goes to the dead letters") {
    bus_fixture t;
    diary seen(t);
    auto slow = t.bus.on<purchase>(
        handler("slow").time_limit(5s).retry(try_purchases(3)),
        [&](const purchase& event, cobus::context& where) -> net::awaitable<void> {
            seen.add(event.number, where.attempt());
            co_await t.clock().sleep(1h);
        });
    publish_purchases(t, 1, 1);
    t.until_idle();
    CHECK(seen.times() == std::vector{0ms, 5000ms, 10000ms});
    REQUIRE(t.dead_letters().size() == 1);
    CHECK(t.dead_letters()[0].reason().find("limit of 5000 ms") != std::string_view::npos);
}

TEST_CASE("a run within its time is not touched, nor one that is done all the same") {
    bus_fixture t;
    diary seen(t);
    auto slow = t.bus.on<purchase>(
        handler("slow").time_limit(5s),
        [&](const purchase& event, cobus::context& where) -> net::awaitable<void> {
            seen.add(event.number, where.attempt());
            std::error_code ec;
            if (event.number == 1) {
                co_await t.clock().sleep(4s);
                co_return;
            }
            try {
                co_await t.clock().sleep(6s);
            } catch (const std::system_error&) { // ends well, if late
            }
        });
    publish_purchases(t, 1, 4);
    t.until_idle();
    CHECK(seen.runs.size() == 4);
    CHECK(t.handled<purchase>("slow").size() == 4);
}

TEST_CASE("a plain function cannot have a time limit, and single events come in no batch") {
    bus_fixture t;
    CHECK_THROWS_AS(
        (void)t.bus.on<purchase>(handler("plain").time_limit(5s), [](const purchase&) {}),
        cobus::error);
    CHECK_THROWS_AS((void)t.bus.on_any(handler("any").time_limit(5s), [](const cobus::message&) {}),
                    cobus::error);
    CHECK_THROWS_AS(
        (void)t.bus.on<purchase>(handler("plain").batch(10, 1s), [](const purchase&) {}),
        cobus::error);
}

// --- circuit breaker

TEST_CASE("an open breaker pauses the handler without using up attempts, others go on") {
    bus_fixture t;
    diary seen(t);
    bool down = true;
    auto billing =
        t.bus.on<purchase>(handler("billing")
                               .retry(try_purchases(8))
                               .breaker(cobus::breaker_policy().failures(3).open_for(1min, 1h)),
                           [&](const purchase& event, cobus::context& where) {
                               seen.add(event.number, where.attempt());
                               if (down) {
                                   throw std::runtime_error("the bank is down");
                               }
                           });
    int others = 0;
    auto other = t.bus.on<purchase>("other", [&](const purchase&) { ++others; });
    publish_purchases(t, 1, 20);
    t.settle();
    CHECK(seen.runs.size() == 3);
    CHECK(others == 20);
    t.advance(59s);
    CHECK(seen.runs.size() == 3);
    t.advance(1s); // one probe, which fails: twice as long
    CHECK(seen.runs.size() == 4);
    t.advance(119s);
    CHECK(seen.runs.size() == 4);
    down = false;
    t.until_idle();
    CHECK(t.handled<purchase>("billing").size() == 20);
    CHECK(t.dead_letters().empty());
    CHECK(seen.runs.size() == 24);
    CHECK(seen.runs[4].at == 3min);
    CHECK(seen.runs.back().at == 3min);
}

TEST_CASE("an outage of days uses up few attempts, and ends in no dead letter") {
    bus_fixture t;
    bool down = true;
    std::size_t runs = 0;
    auto billing =
        t.bus.on<purchase>(handler("billing")
                               .retry(try_purchases(100))
                               .breaker(cobus::breaker_policy().failures(3).open_for(1s, 1h)),
                           [&](const purchase&) -> net::awaitable<void> {
                               ++runs;
                               co_await net::post(net::use_awaitable);
                               if (down) {
                                   throw std::runtime_error("the bank is down");
                               }
                           });
    publish_purchases(t, 1, 10);
    t.advance(72h);
    CHECK(runs > 70);
    CHECK(runs < 100);
    down = false;
    t.until_idle();
    CHECK(t.handled<purchase>("billing").size() == 10);
    CHECK(t.dead_letters().empty());
}

TEST_CASE("a breaker keeps the purchase of each key") {
    bus_fixture t;
    diary seen(t);
    int failing = 10;
    auto billing = t.bus.on<purchase>(
        handler("billing").breaker(cobus::breaker_policy().failures(2).open_for(1s, 4s)),
        [&](const purchase& event) -> net::awaitable<void> {
            co_await t.clock().sleep(10ms);
            if (failing-- > 0) {
                throw std::runtime_error("not yet");
            }
            seen.add(event.number);
        });
    publish_purchases(t, 0, 30, 3);
    t.until_idle();
    REQUIRE(seen.runs.size() == 30);
    std::vector<int> last(3, -1);
    for (const int number : seen.numbers()) {
        int& before = last[static_cast<std::size_t>(number % 3)];
        CHECK(number > before);
        before = number;
    }
}

// --- rate limit

TEST_CASE("a rate limit spaces the runs, and waiting holds no place") {
    bus_fixture t;
    diary seen(t);
    auto calls = t.bus.on<purchase>(handler("calls").rate(cobus::rate_limit(10, 1s).burst(2)),
                                    [&](const purchase& event) { seen.add(event.number); });
    publish_purchases(t, 1, 6);
    t.until_idle();
    CHECK(seen.times() == std::vector{0ms, 0ms, 100ms, 200ms, 300ms, 400ms});
    CHECK(seen.numbers() == std::vector{1, 2, 3, 4, 5, 6});
}

TEST_CASE("retries are calls too") {
    bus_fixture t;
    diary seen(t);
    auto calls =
        t.bus.on<purchase>(handler("calls").retry(try_purchases()).rate(cobus::rate_limit(1, 1s)),
                           [&](const purchase& event, cobus::context& where) {
                               seen.add(event.number, where.attempt());
                               if (where.attempt() < 3) {
                                   throw std::runtime_error("again");
                               }
                           });
    publish_purchases(t, 1, 1);
    t.until_idle();
    CHECK(seen.times() == std::vector{0ms, 1000ms, 2000ms});
}

// --- deduplication

TEST_CASE("a copy of a handled event is not handled again, by that handler") {
    bus_fixture t;
    auto store = std::make_shared<cobus::memory_deduplication>();
    diary seen(t);
    diary all(t);
    auto once = t.bus.on<purchase>(handler("once").deduplicate(store),
                                   [&](const purchase& event) { seen.add(event.number); });
    auto also = t.bus.on<purchase>(handler("also").deduplicate(store),
                                   [&](const purchase& event) { all.add(event.number); });
    const purchase event{"ada", 1};
    for (const char* id : {"a", "b", "a", "a", "b"}) {
        t.run(t.bus.publish(event, cobus::with().id(id)));
    }
    t.until_idle();
    CHECK(seen.runs.size() == 2);
    CHECK(all.runs.size() == 2);
    t.advance(2h); // forgotten
    t.run(t.bus.publish(event, cobus::with().id("a")));
    t.until_idle();
    CHECK(seen.runs.size() == 3);
}

TEST_CASE("a first try that failed is run again, and so is a copy of a dead letter") {
    bus_fixture t;
    auto store = std::make_shared<cobus::memory_deduplication>();
    diary seen(t);
    auto once = t.bus.on<purchase>(handler("once").deduplicate(store).retry(try_purchases(2)),
                                   [&](const purchase& event, cobus::context& where) {
                                       seen.add(event.number, where.attempt());
                                       if (seen.runs.size() < 4) {
                                           throw std::runtime_error("not yet");
                                       }
                                   });
    const purchase event{"ada", 1};
    t.run(t.bus.publish(event, cobus::with().id("a")));
    t.until_idle();
    CHECK(t.dead_letters().size() == 1);
    t.run(t.bus.publish(event, cobus::with().id("a")));
    t.until_idle();
    CHECK(seen.runs.size() == 4);
    t.run(t.bus.publish(event, cobus::with().id("a")));
    t.until_idle();
    CHECK(seen.runs.size() == 4);
}

TEST_CASE("of copies at the same time one runs, and the other waits how it ends") {
    bus_fixture t;
    auto store = std::make_shared<cobus::memory_deduplication>();
    diary seen(t);
    bool fails = false;
    auto once = t.bus.on<purchase>(handler("once")
                                       .deduplicate(store)
                                       .ordered(cobus::order::unordered)
                                       .retry(cobus::retry_policy().backoff(10min, 10min)),
                                   [&](const purchase& event) -> net::awaitable<void> {
                                       seen.add(event.number);
                                       co_await t.clock().sleep(30s);
                                       if (std::exchange(fails, false)) {
                                           throw std::runtime_error("not yet");
                                       }
                                   });
    const auto twice = [&](const char* id) {
        for (int i = 0; i < 2; ++i) {
            const purchase event{"customer " + std::to_string(i), i};
            t.run(t.bus.publish(event, cobus::with().id(id)));
        }
    };
    twice("well");
    t.until_idle();
    CHECK(seen.numbers() == std::vector{0});
    fails = true;
    twice("ill");
    t.until_idle();
    CHECK(seen.numbers() == std::vector{0, 0, 1}); // the copy runs as soon as the first failed
}

TEST_CASE("copies in two buses at the same time run once") {
    bus_fixture t;
    auto store = std::make_shared<cobus::memory_deduplication>();
    diary seen(t);
    const auto slowly = [&](const purchase& event) -> net::awaitable<void> {
        seen.add(event.number);
        co_await t.clock().sleep(30s);
    };
    // The same group and handler, on two buses that do not share their messages.
    auto here = t.bus.on<purchase>(handler("once").deduplicate(store), slowly);
    cobus::bus other(t.executor(), t.settings(), cobus::over(cobus::memory()));
    auto there = other.on<purchase>(handler("once").deduplicate(store), slowly);
    t.run(other.start());
    const purchase event{"ada", 1};
    t.run(t.bus.publish(event, cobus::with().id("a")));
    t.run(other.publish(event, cobus::with().id("a")));
    t.advance(1min);
    CHECK(seen.runs.size() == 1);
    t.run(other.stop());
}

TEST_CASE("an id of the service's own tells copies") {
    bus_fixture t;
    diary seen(t);
    auto once = t.bus.on<purchase>(
        handler("once").deduplicate(std::make_shared<cobus::memory_deduplication>(),
                                    [](const cobus::message& content) {
                                        return std::to_string(content.object<purchase>()->number);
                                    }),
        [&](const purchase& event) { seen.add(event.number); });
    publish_purchases(t, 1, 3);
    publish_purchases(t, 1, 4);
    t.until_idle();
    CHECK(seen.numbers() == std::vector{1, 2, 3, 4});
}

TEST_CASE("while the store fails the handler waits, and no event is lost or given up") {
    class broken final : public cobus::deduplication_store {
    public:
        auto claim(const cobus::event_identity& /*which*/, std::uint64_t /*owner*/,
                   cobus::time_point /*now*/) -> claimed override {
            fail();
            return {};
        }
        void confirm(const cobus::event_identity& /*which*/, cobus::time_point /*now*/) override {
            fail();
        }
        void release(const cobus::event_identity& /*which*/, std::uint64_t /*owner*/) override {
            fail();
        }
        bool failing = true;
        int asked = 0;

    private:
        void fail() {
            ++asked;
            if (failing) {
                throw std::runtime_error("disk full");
            }
        }
    };
    bus_fixture t;
    auto store = std::make_shared<broken>();
    diary seen(t);
    auto once = t.bus.on<purchase>(handler("once").deduplicate(store).retry(try_purchases(2)),
                                   [&](const purchase& event) { seen.add(event.number); });
    publish_purchases(t, 1, 5);
    t.advance(10s);
    CHECK(seen.runs.empty());
    CHECK(store->asked == 11); // once a second
    store->failing = false;
    t.until_idle();
    CHECK(seen.numbers() == std::vector{1, 2, 3, 4, 5});
    CHECK(t.dead_letters().empty());
}
