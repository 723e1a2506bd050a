#include <cobus/cobus.hpp>
#include <cobus/testing.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using cobus::handler;
using cobus::testing::bus_fixture;
namespace net = cobus::net;

// Batch handlers on a whole bus with virtual time.

namespace {

struct row {
    std::string key;
    int number = 0;
};

using numbers = std::vector<int>;

auto numbers_of(std::span<const row> batch) -> numbers {
    numbers all;
    for (const row& each : batch) {
        all.push_back(each.number);
    }
    return all;
}
void publish_rows(bus_fixture& t, int first, int count, int keys = 1000) {
    for (int i = first; i < first + count; ++i) {
        const row event{"key " + std::to_string(i % keys), i};
        t.publish(event);
    }
}
auto try_rows() -> cobus::retry_policy {
    return cobus::retry_policy().attempts(3).backoff(0ms, 0ms);
}

} // namespace

template <> struct cobus::contract<row> {
    static constexpr std::string_view type = "row", topic = "rows";
    static constexpr auto key = &row::key;
};

TEST_CASE("events come in batches by count, and the rest by time") {
    bus_fixture t;
    std::vector<numbers> seen;
    std::vector<std::chrono::milliseconds> times;
    auto bulk =
        t.bus.on_batch<row>(handler("bulk").batch(3, 200ms), [&](std::span<const row> batch) {
            seen.push_back(numbers_of(batch));
            times.push_back(std::chrono::round<std::chrono::milliseconds>(t.clock().passed()));
        });
    publish_rows(t, 1, 7);
    t.settle();
    CHECK(seen == std::vector<numbers>{{1, 2, 3}, {4, 5, 6}});
    t.until_idle();
    CHECK(seen.back() == numbers{7});
    CHECK(times == std::vector{0ms, 0ms, 200ms});
    CHECK(t.handled<row>("bulk").size() == 7);
}

TEST_CASE("events of one key share batches, and no two batches at the same time") {
    bus_fixture t;
    std::map<std::string, int> last;
    std::map<std::string, int> running;
    std::size_t most = 0;
    std::size_t at_once = 0;
    auto bulk = t.bus.on_batch<row>(
        handler("bulk").batch(4, 10ms).concurrency(3),
        [&](std::span<const row> batch, cobus::batch_context& about) -> net::awaitable<void> {
            CHECK(about.size() == batch.size());
            most = (std::max)(most, ++at_once);
            for (const row& each : batch) {
                ++running[each.key];
                CHECK(each.number > std::exchange(last[each.key], each.number));
            }
            for (const auto& [key, count] : running) {
                const auto here = std::count_if(batch.begin(), batch.end(),
                                                [&](const row& r) { return r.key == key; });
                CHECK((here == 0 || here == count));
            }
            co_await t.clock().sleep(50ms);
            for (const row& each : batch) {
                --running[each.key];
            }
            --at_once;
        });
    publish_rows(t, 1, 200, 9);
    t.until_idle();
    CHECK(t.handled<row>("bulk").size() == 200);
    CHECK(most > 1);
    CHECK(most <= 3);
}

TEST_CASE("the index says which failed: only that one is tried again, and its key behind it") {
    bus_fixture t;
    std::vector<numbers> seen;
    auto bulk = t.bus.on_batch<row>(
        handler("bulk").batch(6, 100ms).retry(try_rows()),
        [&](std::span<const row> batch, cobus::batch_context& about) -> net::awaitable<void> {
            seen.push_back(numbers_of(batch));
            co_await net::post(net::use_awaitable);
            for (std::size_t i = 0; i < batch.size(); ++i) {
                CHECK(about.at(i).content().key() == batch[i].key);
                if (batch[i].number == 1 && about.at(i).attempt() == 1) {
                    about.fail(i, "locked");
                }
                if (batch[i].number == 3) {
                    about.say(i, cobus::outcome::dead_letter("broken"));
                }
            }
        });
    publish_rows(t, 0, 6, 4); // keys 0 1 2 3 0 1: 5 is behind 1
    t.until_idle();
    CHECK(seen == std::vector<numbers>{{0, 1, 2, 3, 4, 5}, {1, 5}});
    CHECK(t.handled<row>("bulk").size() == 5);
    REQUIRE(t.dead_letters().size() == 1);
    CHECK(t.dead_letters()[0].reason() == "broken");
}

TEST_CASE(
    "a batch that throws is tried again one by one: the bad one goes to the dead letters alone") {
    bus_fixture t;
    std::vector<numbers> seen;
    auto bulk = t.bus.on_batch<row>(handler("bulk").batch(5, 100ms).retry(try_rows()),
                                    [&](std::span<const row> batch) -> net::awaitable<void> {
                                        seen.push_back(numbers_of(batch));
                                        co_await net::post(net::use_awaitable);
                                        for (const row& each : batch) {
                                            if (each.number == 2) {
                                                throw std::runtime_error("cannot be stored");
                                            }
                                        }
                                    });
    publish_rows(t, 0, 5, 4);
    t.until_idle();
    CHECK(t.handled<row>("bulk").size() == 4);
    REQUIRE(t.dead_letters().size() == 1);
    CHECK(seen.front() == numbers{0, 1, 2, 3, 4});
    CHECK(
        std::all_of(seen.begin() + 1, seen.end(), [](const numbers& n) { return n.size() == 1; }));
    CHECK(std::count(seen.begin(), seen.end(), numbers{2}) == 2); // three tries with the first
    CHECK(std::find(seen.begin(), seen.end(), numbers{0}) <
          std::find(seen.begin(), seen.end(), numbers{4})); // one key
}

TEST_CASE("a batch that takes too long is tried again one by one, as if it had thrown") {
    bus_fixture t;
    std::vector<numbers> seen;
    const auto hang = [&](std::span<const row> batch) -> net::awaitable<void> {
        seen.push_back(numbers_of(batch));
        const bool hangs = std::count(seen.back().begin(), seen.back().end(), 2) > 0;
        co_await t.clock().sleep(hangs ? 1h : 1ms);
    };
    auto bulk =
        t.bus.on_batch<row>(handler("bulk").batch(5, 100ms).time_limit(1s).retry(try_rows()), hang);
    publish_rows(t, 0, 5);
    t.until_idle();
    CHECK(t.handled<row>("bulk").size() == 4);
    CHECK(t.one_dead_letter().event<row>().number == 2);
    CHECK(seen.front() == numbers{0, 1, 2, 3, 4});
    CHECK(
        std::all_of(seen.begin() + 1, seen.end(), [](const numbers& n) { return n.size() == 1; }));
}

TEST_CASE("stopping does not wait for a batch to fill") {
    bus_fixture t;
    std::vector<numbers> seen;
    cobus::bus bus(t.executor(), t.settings()); // in memory, and what it has dies with it
    auto bulk = bus.on_batch<row>(handler("bulk").batch(100, 10h), [&](std::span<const row> batch) {
        seen.push_back(numbers_of(batch));
    });
    t.run(bus.start());
    for (int i = 1; i < 4; ++i) {
        const row event{"key", i};
        t.run(bus.publish(event));
    }
    t.settle();
    CHECK(seen.empty());
    const auto before = t.clock().passed();
    t.run(bus.stop(10s));
    REQUIRE(seen.size() == 1);
    CHECK(seen.front() == numbers{1, 2, 3});
    CHECK(t.clock().passed() - before < 1s);
}

TEST_CASE("a batch has the time limit, the rate, the breaker and the copies of its handler") {
    bus_fixture t;
    std::vector<numbers> seen;
    std::vector<std::chrono::milliseconds> times;
    bool hang = true;
    auto bulk = t.bus.on_batch<row>(
        handler("bulk")
            .batch(4, 100ms)
            .concurrency(1)
            .retry(try_rows())
            .time_limit(1s)
            .rate(cobus::rate_limit(4, 1s))
            .breaker(cobus::breaker_policy().failures(1).open_for(1min, 1min))
            .deduplicate(std::make_shared<cobus::memory_deduplication>()),
        [&](std::span<const row> batch) -> net::awaitable<void> {
            seen.push_back(numbers_of(batch));
            times.push_back(std::chrono::round<std::chrono::milliseconds>(t.clock().passed()));
            if (std::exchange(hang, false)) {
                co_await t.clock().sleep(1h);
            }
        });
    for (const int number : {1, 1, 2, 3, 2, 4, 5, 6, 1, 7}) {
        const row event{"key " + std::to_string(number), number};
        t.run(t.bus.publish(event, cobus::with().id(std::to_string(number))));
    }
    t.until_idle();
    numbers all;
    for (const numbers& each : seen) {
        all.insert(all.end(), each.begin(), each.end());
    }
    std::sort(all.begin() + 3, all.end());
    CHECK(seen.front() == numbers{1, 2, 3}); // the second 1 is behind the first
    CHECK(all == numbers{1, 2, 3, 1, 2, 3, 4, 5, 6, 7});
    REQUIRE(times.size() >= 2);
    CHECK(times[1] == 61s);
    CHECK(t.dead_letters().empty());
}

TEST_CASE("a cancelled batch is neither done nor failed") {
    bus_fixture t;
    auto bulk = t.bus.on_batch<row>(
        handler("bulk").batch(2, 10ms),
        [&](std::span<const row>) -> net::awaitable<void> { co_await t.clock().sleep(10h); });
    publish_rows(t, 1, 4);
    t.settle();
    t.stop(1s);
    CHECK(t.handled<row>("bulk").empty());
    CHECK(t.cancelled<row>("bulk").size() == 4);
    CHECK(t.dead_letters().empty());
}

TEST_CASE("what is behind others in a cancelled batch does not run without them") {
    bus_fixture t;
    std::vector<numbers> seen;
    const auto wait = [&](std::span<const row> batch) -> net::awaitable<void> {
        seen.push_back(numbers_of(batch));
        co_await t.clock().sleep(1min);
    };
    auto bulk = t.bus.on_batch<row>(handler("bulk").batch(2, 1s), wait);
    publish_rows(t, 1, 2, 1); // one key
    t.settle();
    REQUIRE(seen == std::vector<numbers>{{1, 2}});
    SUBCASE("when their partition is lost: they come again together") {
        t.faults.lose_partitions();
        t.until_idle();
        CHECK(t.handled<row>("bulk").size() == 2);
        CHECK(seen == std::vector<numbers>{{1, 2}, {1, 2}});
    }
    SUBCASE("when the subscription goes") {
        bulk = cobus::subscription();
        t.until_idle();
        CHECK(seen == std::vector<numbers>{{1, 2}});
        CHECK(t.cancelled<row>("bulk").size() == 2);
    }
    SUBCASE("when the bus stops") {
        t.stop(1s);
        CHECK(seen == std::vector<numbers>{{1, 2}});
        CHECK(t.cancelled<row>("bulk").size() == 2);
    }
}
