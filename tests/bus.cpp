#include "events.hpp"
#include "quiet.hpp"
#include "run.hpp"

#include <cobus/cobus.hpp>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using cobus::test::quiet;
using cobus::test::run;
using cobus::test::tick;
using cobus::test::tock;
using cobus::test::until;
namespace net = cobus::net;
using namespace std::chrono_literals;

TEST_CASE("an event reaches every handler of its type, each once") {
    net::io_context context;
    std::vector<std::uint64_t> plain;
    std::vector<std::uint64_t> coroutine;
    std::size_t any = 0;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        auto first =
            bus.on<tick>("plain", [&](const tick& event) { plain.push_back(event.number); });
        auto second = bus.on<tick>("coroutine", [&](const tick& event) -> net::awaitable<void> {
            co_await net::post(net::use_awaitable);
            coroutine.push_back(event.number);
        });
        auto other = bus.on<tock>("other", [&](const tock&) { FAIL("a tick is no tock"); });
        auto all = bus.on_any("any", [&](const cobus::message& content) {
            CHECK(content.type() == "tick");
            ++any;
        });
        co_await bus.start();
        for (std::uint64_t i = 0; i < 100; ++i) {
            tick event{"k", i};
            const cobus::receipt receipt = co_await bus.publish(event);
            CHECK(receipt.topic() == "clock");
            CHECK(receipt.way() == cobus::path::memory);
            CHECK_FALSE(receipt.durable());
            CHECK(receipt.offset() >= 0);
            CHECK_FALSE(receipt.id().empty());
        }
        co_await bus.stop();
    });
    CHECK(plain.size() == 100);
    CHECK(coroutine.size() == 100);
    CHECK(any == 100);
    CHECK(std::is_sorted(coroutine.begin(), coroutine.end()));
}

TEST_CASE("events of one key are handled in order and one at a time, others at once") {
    net::io_context context;
    std::map<std::string, std::uint64_t> last;
    std::map<std::string, int> running;
    int together = 0;
    int most = 0;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        auto ordered = bus.on<tick>("ordered", [&](const tick& event) -> net::awaitable<void> {
            CHECK(++running[event.key] == 1);
            most = std::max(most, ++together);
            for (std::uint64_t i = 0; i < event.number % 3; ++i) {
                co_await net::post(net::use_awaitable);
            }
            CHECK(event.number == last[event.key] + 1);
            last[event.key] = event.number;
            --together;
            --running[event.key];
        });
        co_await bus.start();
        for (std::uint64_t number = 1; number <= 200; ++number) {
            for (const char* key : {"a", "b", "c", "d", "e"}) {
                tick event{key, number};
                co_await bus.publish(event);
            }
        }
        co_await bus.stop();
    });
    CHECK(last.size() == 5);
    for (const auto& [key, number] : last) {
        CHECK(number == 200);
    }
    CHECK(most > 1);
}

TEST_CASE("a call ends when its handlers have, and says if one failed") {
    net::io_context context;
    int handled = 0;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        auto slow = bus.on<tick>("slow", [&](const tick&) -> net::awaitable<void> {
            co_await net::post(net::use_awaitable);
            ++handled;
        });
        auto picky =
            bus.on<tock>("picky", [](const tock&) { return cobus::outcome::dead_letter("no"); });
        co_await bus.start();
        tick event{"k", 1};
        co_await bus.call(event);
        CHECK(handled == 1);
        tock refused{"k", 2};
        std::error_code ec;
        co_await bus.call(refused, net::redirect_error(net::use_awaitable, ec));
        CHECK(ec == cobus::errc::handler_failed);
        co_await bus.stop();
    });
}

TEST_CASE("what calls were through with makes room in a short log for whatever is published next") {
    net::io_context context;
    cobus::settings how = quiet();
    how.partitions(1).retention(8);
    std::uint64_t last = 0;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), how);
        auto counting = bus.on<tick>("counting", [&](const tick& event) {
            CHECK(event.number == last + 1);
            last = event.number;
        });
        co_await bus.start();
        tick event{"k", 0};
        for (std::uint64_t calls = 1; calls < 20; ++calls) {
            for (std::uint64_t i = 0; i < calls; ++i) {
                ++event.number;
                co_await bus.call(event);
                CHECK(last == event.number);
            }
            for (int i = 0; i < 10; ++i) { // two more than there is room for
                ++event.number;
                co_await bus.publish(event);
            }
        }
        co_await bus.stop();
        CHECK(last == event.number);
    });
}

TEST_CASE("a handler that throws is tried again, then its event goes to the dead letter topic") {
    net::io_context context;
    int tries = 0;
    std::vector<std::string> reasons;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        auto failing = bus.on<tick>(
            cobus::handler("failing").retry(cobus::retry_policy().attempts(3).backoff(1ms, 1ms)),
            [&](const tick&) {
                ++tries;
                throw std::runtime_error("out of luck");
            });
        auto letters = bus.on_any("letters", {"dlq.clock"}, [&](const cobus::message& letter) {
            reasons.emplace_back(letter.headers().get("cobus-dlq-reason").value_or("none"));
            CHECK(letter.headers().get("cobus-dlq-handler") == "failing");
            CHECK(letter.headers().get("cobus-dlq-attempts") == "3");
        });
        co_await bus.start();
        tick event{"k", 1};
        co_await bus.publish(event);
        co_await until([&] { return !reasons.empty(); });
        co_await bus.stop();
    });
    CHECK(tries == 3);
    CHECK(reasons == std::vector<std::string>{"out of luck"});
}

TEST_CASE("a failing key holds back only itself") {
    net::io_context context;
    std::vector<std::uint64_t> good;
    std::vector<std::uint64_t> bad;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        auto handler = bus.on<tick>(
            cobus::handler("h").retry(cobus::retry_policy().attempts(100'000).backoff(5ms, 5ms)),
            [&](const tick& event) {
                if (event.key == "bad" && event.number == 0 && good.size() < 10) {
                    CHECK(bad.empty());
                    throw std::runtime_error("not yet");
                }
                (event.key == "bad" ? bad : good).push_back(event.number);
            });
        co_await bus.start();
        for (std::uint64_t i = 0; i < 10; ++i) {
            tick first{"bad", i};
            tick second{"good", i};
            co_await bus.publish(first);
            co_await bus.publish(second);
        }
        co_await until([&] { return bad.size() == 10; });
        co_await bus.stop();
    });
    CHECK(bad == std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("publish_all gives a result for each event, in order") {
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        co_await bus.start();
        std::vector<tick> events;
        for (std::uint64_t i = 0; i < 50; ++i) {
            events.push_back(tick{"k" + std::to_string(i % 7), i});
        }
        const std::vector<cobus::publish_result> results = co_await bus.publish_all(events);
        REQUIRE(results.size() == 50);
        std::map<std::string, std::int64_t> last;
        for (std::size_t i = 0; i < results.size(); ++i) {
            CHECK_FALSE(results[i].ec);
            const std::int64_t offset = results[i].where.offset();
            const auto [seen, first] = last.try_emplace(events[i].key, offset);
            CHECK((first || seen->second < offset));
            seen->second = offset;
        }
        co_await bus.stop();
    });
}

TEST_CASE("publishing before start and after stop is an error") {
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        tick event{"k", 1};
        std::error_code ec;
        co_await bus.publish(event, net::redirect_error(net::use_awaitable, ec));
        CHECK(ec == cobus::errc::closed);
        CHECK(bus.try_publish(event) == cobus::errc::closed);
        co_await bus.start();
        co_await bus.publish(event);
        co_await bus.stop();
        co_await bus.publish(event, net::redirect_error(net::use_awaitable, ec));
        CHECK(ec == cobus::errc::closed);
        CHECK_THROWS_AS(co_await bus.publish(event), std::system_error);
    });
}

TEST_CASE("an event may be published as soon as start was called, and handlers get it") {
    for (const cobus::start_at from : {cobus::start_at::earliest, cobus::start_at::latest}) {
        net::io_context context;
        cobus::settings how = quiet();
        how.start_from(from);
        cobus::bus bus(context.get_executor(), how);
        std::vector<std::uint64_t> seen;
        auto reader =
            bus.on<tick>("reader", [&seen](const tick& each) { seen.push_back(each.number); });
        std::error_code started = cobus::errc::timed_out;
        int ended = 0;
        bus.start([&started](std::error_code ec) { started = ec; });
        const tick first{"k", 1};
        bus.publish(first, [&ended](std::error_code ec, const cobus::receipt& where) {
            CHECK_FALSE(ec);
            CHECK(where.way() == cobus::path::memory);
            ++ended;
        });
        const tick second{"k", 2};
        CHECK_FALSE(bus.try_publish(second));
        const tick third{"k", 3};
        bus.call(third, [&](std::error_code ec) {
            CHECK_FALSE(ec);
            ++ended;
            bus.request_stop();
        });
        context.run();
        CHECK_FALSE(started);
        CHECK(ended == 2);
        CHECK(seen == std::vector<std::uint64_t>{1, 2, 3});
    }
}

TEST_CASE("a bus starts once, and stops as often as it is asked to") {
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        using namespace net::experimental::awaitable_operators;
        cobus::bus bus(context.get_executor(), quiet());
        co_await bus.start();
        std::error_code ec;
        co_await bus.start(net::redirect_error(net::use_awaitable, ec));
        CHECK(ec == cobus::errc::already_started);
        co_await (bus.stop() && bus.stop() && bus.stop());
        co_await bus.stop();
    });
}

TEST_CASE("a handler that was subscribed while running receives, and one that left does not") {
    net::io_context context;
    int early = 0;
    int late = 0;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        co_await bus.start();
        auto first = bus.on<tick>("early", [&](const tick&) { ++early; });
        co_await first.ready();
        tick event{"k", 1};
        co_await bus.call(event);
        CHECK(early == 1);
        co_await first.close();
        auto second = bus.on<tick>("late", [&](const tick&) { ++late; });
        co_await second.ready();
        co_await bus.call(event);
        co_await bus.stop();
    });
    CHECK(early == 1);
    CHECK(late == 1);
}

TEST_CASE("a handler that runs when its subscription goes is asked to end, and kept until it did") {
    net::io_context context;
    bool begun = false;
    bool ended = false;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        auto waiting = bus.on<tick>("waiting", [&](const tick&) -> net::awaitable<void> {
            net::steady_timer forever(co_await net::this_coro::executor, 1h);
            begun = true;
            std::error_code ec;
            co_await forever.async_wait(net::redirect_error(net::use_awaitable, ec));
            ended = ec == net::error::operation_aborted;
        });
        co_await bus.start();
        tick event{"k", 1};
        co_await bus.publish(event);
        co_await until([&] { return begun; });
        co_await waiting.close();
        CHECK(ended);
        co_await bus.stop();
    });
}

TEST_CASE("stopping waits for running handlers up to its limit and then asks them to end") {
    net::io_context context;
    bool begun = false;
    bool aborted = false;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        auto waiting = bus.on<tick>("waiting", [&](const tick&) -> net::awaitable<void> {
            net::steady_timer forever(co_await net::this_coro::executor, 1h);
            begun = true;
            std::error_code ec;
            co_await forever.async_wait(net::redirect_error(net::use_awaitable, ec));
            aborted = static_cast<bool>(ec);
        });
        co_await bus.start();
        tick event{"k", 1};
        co_await bus.publish(event);
        co_await until([&] { return begun; });
        const auto before = std::chrono::steady_clock::now();
        co_await bus.stop(100ms);
        CHECK(std::chrono::steady_clock::now() - before < 5s);
        co_await until([&] { return aborted; });
    });
}

TEST_CASE("settings that enable Kafka without its transport say which header is missing") {
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        cobus::settings how = quiet();
        how.kafka(true).brokers("localhost:9092");
        cobus::bus bus(context.get_executor(), std::move(how));
        std::string said;
        try {
            co_await bus.start();
        } catch (const std::system_error& e) {
            CHECK(e.code() == cobus::errc::no_transport);
            said = e.what();
        }
        CHECK(said.find("cobus/kafka.hpp") != std::string::npos);
    });
}
