#include <cobus/cobus.hpp>
#include <cobus/testing.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

using namespace std::chrono_literals;
using cobus::handler;
using cobus::testing::bus_fixture;
namespace net = cobus::net;

// "For ever" is written as the longest time that there is, which must not be added to a clock.

namespace {

constexpr auto for_ever = (std::chrono::milliseconds::max)();

struct letter_sent {
    std::string street;
};

struct long_wait {
    bus_fixture t;
    letter_sent event{"Elm"};
    int runs = 0;

    void publish_and_wait() {
        t.publish(event);
        t.advance(1h);
    }
};

} // namespace

template <> struct cobus::contract<letter_sent> {
    static constexpr std::string_view type = "letter_sent", topic = "letters";
    static constexpr auto key = &letter_sent::street;
};

TEST_CASE_FIXTURE(long_wait, "an outcome that asks for a retry in ages gets none soon") {
    auto mine = t.bus.on<letter_sent>("mine", [this](const letter_sent&) {
        ++runs;
        return cobus::outcome::retry_after(for_ever);
    });
    publish_and_wait();
    CHECK(runs == 1);
}

TEST_CASE_FIXTURE(long_wait, "retries without a limit in time go on to their last attempt") {
    const auto policy = [] { return cobus::retry_policy().within(for_ever).attempts(3); };
    auto mine = t.bus.on<letter_sent>(handler("mine").retry(policy()), [this](const letter_sent&) {
        ++runs;
        throw std::runtime_error("no");
    });
    publish_and_wait();
    CHECK(runs == 3);
}

TEST_CASE_FIXTURE(long_wait, "a handler without a limit in time is not cancelled") {
    auto mine = t.bus.on<letter_sent>(handler("mine").time_limit(for_ever),
                                      [this](const letter_sent&) -> net::awaitable<void> {
                                          co_await t.clock().sleep(5min);
                                          ++runs;
                                      });
    publish_and_wait();
    CHECK(runs == 1);
}

TEST_CASE_FIXTURE(long_wait, "a batch that waits for ever waits until it is full") {
    auto mine = t.bus.on_batch<letter_sent>(handler("mine").batch(2, for_ever),
                                            [this](std::span<const letter_sent>) { ++runs; });
    publish_and_wait();
    CHECK(runs == 0);
    publish_and_wait();
    CHECK(runs == 1);
}

TEST_CASE_FIXTURE(long_wait, "a breaker that opens for ever lets nobody through") {
    const auto pause = [] { return cobus::breaker_policy().failures(1).open_for(for_ever, 0ms); };
    auto mine = t.bus.on<letter_sent>(handler("mine").breaker(pause()), [this](const letter_sent&) {
        ++runs;
        throw std::runtime_error("no");
    });
    publish_and_wait();
    CHECK(runs == 1);
}

TEST_CASE_FIXTURE(long_wait, "what is remembered for ever is not handled again") {
    const auto store = std::make_shared<cobus::memory_deduplication>(
        cobus::deduplication_limits().age(for_ever).lease(for_ever));
    auto mine = t.bus.on<letter_sent>(handler("mine").deduplicate(store),
                                      [this](const letter_sent&) { ++runs; });
    for (int i = 0; i < 2; ++i) {
        t.run(t.bus.publish(event, cobus::with().id("the same").deadline(for_ever)));
        t.advance(1h);
    }
    CHECK(runs == 1);
}

TEST_CASE_FIXTURE(long_wait, "a stop that may take for ever lets handlers end") {
    auto mine = t.bus.on<letter_sent>("mine", [this](const letter_sent&) -> net::awaitable<void> {
        co_await t.clock().sleep(5min);
        ++runs;
    });
    t.publish(event);
    t.settle();
    t.stop(for_ever);
    CHECK(runs == 1);
}

TEST_CASE("settings that say for ever are no problem") {
    cobus::settings how;
    how.decision_time(for_ever).wait_limit(for_ever).delivery_timeout(for_ever);
    how.spool_max_age(for_ever).drain_limit(for_ever).retry_topics({for_ever});
    how.mark_life((std::chrono::hours::max)());
    CHECK(how.problems().empty());
    CHECK(std::chrono::steady_clock::now() + how.drain_limit() > std::chrono::steady_clock::now());
}
