#include "events.hpp"
#include "quiet.hpp"
#include "run.hpp"

#include <cobus/cobus.hpp>

#include <asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

using cobus::test::quiet;
using cobus::test::run;
using cobus::test::tick;
using cobus::test::until;
namespace net = cobus::net;
using namespace std::chrono_literals;

// What these leak or touch too late, the address sanitizer says.

namespace {

/// A topic of two messages whose only handler never ends: the third publish is suspended.
auto cramped() -> cobus::settings {
    cobus::settings how = quiet();
    how.partitions(1).retention(2).queue(2, 1 << 20);
    return how;
}

auto never_ends(const tick& /*event*/) -> net::awaitable<void> {
    net::steady_timer forever(co_await net::this_coro::executor, 24h);
    co_await forever.async_wait(net::use_awaitable);
}

class at_end {
public:
    explicit at_end(std::atomic<int>& count) : count_(&count) {}
    at_end(const at_end&) = delete;
    auto operator=(const at_end&) -> at_end& = delete;
    ~at_end() { ++*count_; }

private:
    std::atomic<int>* count_;
};

auto fill(cobus::bus& bus, int& published) -> net::awaitable<void> {
    for (std::uint64_t i = 0; i < 1000; ++i) {
        tick event{"k", i};
        co_await bus.publish(event);
        ++published;
    }
}

/// A bus held by the frame that waits for that bus's own publish.
auto suspended_in_its_own_publish(int& published) -> net::awaitable<void> {
    cobus::bus bus(co_await net::this_coro::executor, cramped());
    auto handler = bus.on<tick>("never", never_ends);
    co_await bus.start();
    co_await fill(bus, published);
}

} // namespace

TEST_CASE(
    "a context destroyed with a suspended publish and a suspended handler leaves nothing behind") {
    int published = 0;
    {
        net::io_context context;
        net::co_spawn(context, suspended_in_its_own_publish(published), net::detached);
        context.run_for(50ms);
    }
    CHECK(published >= 2);
    CHECK(published < 1000);
}

TEST_CASE("a context destroyed with a suspended publish_all destroys the frame that waits for it") {
    std::atomic<int> frames_gone{0};
    bool ended = false;
    {
        net::io_context context;
        const auto wait = [&]() -> net::awaitable<void> {
            const at_end frame(frames_gone);
            cobus::bus bus(context.get_executor(), cramped());
            auto handler = bus.on<tick>("never", never_ends);
            co_await bus.start();
            std::vector<tick> many(100, tick{"k", 1});
            co_await bus.publish_all(many);
            ended = true;
        };
        net::co_spawn(context, wait(), net::detached);
        context.run_for(50ms);
    }
    CHECK_FALSE(ended);
    CHECK(frames_gone == 1);
}

TEST_CASE("a context destroyed while the bus stops leaves nothing behind") {
    net::io_context context;
    bool stopping = false;
    const auto serve = [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), quiet());
        auto handler = bus.on<tick>("never", never_ends);
        co_await bus.start();
        tick event{"k", 1};
        co_await bus.publish(event);
        stopping = true;
        co_await bus.stop(1h);
    };
    net::co_spawn(context, serve(), net::detached);
    context.run_for(50ms);
    CHECK(stopping);
}

TEST_CASE("a context that is stopped and restarted goes on where it was") {
    net::io_context context;
    int handled = 0;
    cobus::bus bus(context.get_executor(), quiet());
    auto handler = bus.on<tick>("count", [&](const tick&) -> net::awaitable<void> {
        if (++handled == 5) {
            context.stop();
        }
        co_await net::post(net::use_awaitable);
    });
    int published = 0;
    const auto serve = [&]() -> net::awaitable<void> {
        co_await bus.start();
        for (std::uint64_t i = 0; i < 10; ++i) {
            tick event{"k", i};
            co_await bus.publish(event);
            ++published;
        }
        co_await bus.stop();
    };
    net::co_spawn(context, serve(), net::detached);
    context.run();
    CHECK(handled == 5);
    context.restart();
    context.run();
    CHECK(handled == 10);
    CHECK(published == 10);
}

TEST_CASE("a bus destroyed inside its handler ends that handler and nobody else hears of it") {
    net::io_context context;
    auto bus = std::make_unique<cobus::bus>(context.get_executor(), quiet());
    bool ended = false;
    auto handler = bus->on<tick>("end", [&](const tick& event) -> net::awaitable<void> {
        bus.reset();
        CHECK(event.number == 7); // still there
        co_await net::post(net::use_awaitable);
        CHECK(event.key == "k");
        ended = true;
    });
    const auto serve = [&]() -> net::awaitable<void> {
        co_await bus->start();
        tick event{"k", 7};
        co_await bus->publish(event);
    };
    net::co_spawn(context, serve(), net::detached);
    context.run();
    CHECK(ended);
}

TEST_CASE("whoever waits for a bus that is destroyed hears so, once") {
    net::io_context context;
    auto bus = std::make_unique<cobus::bus>(context.get_executor(), cramped());
    auto handler = bus->on<tick>("never", never_ends);
    std::vector<std::error_code> heard;
    const auto start = [&]() -> net::awaitable<void> { co_await bus->start(); };
    net::co_spawn(context, start(), net::detached);
    context.run_for(20ms);
    for (std::uint64_t i = 0; i < 6; ++i) {
        tick event{"k", i};
        bus->publish(event,
                     [&](std::error_code ec, const cobus::receipt&) { heard.push_back(ec); });
    }
    context.restart();
    context.run_for(20ms);
    const std::size_t before = heard.size();
    CHECK(before < 6);
    bus.reset();
    context.restart();
    context.run_for(1s);
    CHECK(heard.size() == 6);
    for (std::size_t i = before; i < heard.size(); ++i) {
        CHECK(static_cast<bool>(heard[i]));
    }
}

TEST_CASE("a bus may outlive its context") {
    std::unique_ptr<cobus::bus> bus;
    cobus::subscription handler;
    {
        net::io_context context;
        bus = std::make_unique<cobus::bus>(context.get_executor(), quiet());
        handler = bus->on<tick>("never", never_ends);
        const auto serve = [&]() -> net::awaitable<void> {
            co_await bus->start();
            tick event{"k", 1};
            co_await bus->publish(event);
        };
        net::co_spawn(context, serve(), net::detached);
        context.run_for(20ms);
    }
    tick event{"k", 2};
    CHECK(bus->try_publish(event) == cobus::errc::closed);
}

TEST_CASE("a bus that was never started can go") {
    net::io_context context;
    const cobus::bus bus(context.get_executor(), quiet());
}

TEST_CASE("a bus on a thread pool is stopped from outside") {
    net::thread_pool pool(4);
    std::atomic<int> handled{0};
    {
        cobus::bus bus(pool.get_executor(), quiet());
        auto handler = bus.on<tick>("count", [&](const tick&) -> net::awaitable<void> {
            co_await net::post(net::use_awaitable);
            ++handled;
        });
        std::promise<void> over;
        const auto serve = [&]() -> net::awaitable<void> {
            co_await bus.start();
            for (std::uint64_t i = 0; i < 2000; ++i) {
                tick event{"k" + std::to_string(i % 50), i};
                co_await bus.publish(event);
            }
            co_await bus.stop();
            over.set_value();
        };
        net::co_spawn(pool, serve(), net::detached);
        over.get_future().get();
        CHECK(handled == 2000);
    }
    pool.join();
}

TEST_CASE("handlers on many threads are asked to end without racing them") {
    net::thread_pool pool(4);
    std::atomic<int> ended{0};
    {
        cobus::bus bus(pool.get_executor(), quiet());
        auto handler = bus.on<tick>("busy", [&](const tick&) -> net::awaitable<void> {
            const at_end count(ended); // however it ends: by the error, or thrown at a later wait
            net::steady_timer pause(co_await net::this_coro::executor);
            for (;;) { // resumed by other threads all the time
                pause.expires_after(10us);
                co_await pause.async_wait(net::use_awaitable);
            }
        });
        std::promise<void> over;
        const auto serve = [&]() -> net::awaitable<void> {
            co_await bus.start();
            for (std::uint64_t i = 0; i < 20; ++i) {
                tick event{"k" + std::to_string(i), i};
                co_await bus.publish(event);
            }
            co_await bus.stop(50ms);
            over.set_value();
        };
        net::co_spawn(pool, serve(), net::detached);
        over.get_future().get();
    }
    pool.join();
    CHECK(ended == 20);
}
