#include "quiet.hpp"
#include "run.hpp"

#include <cobus/cobus.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

// Where handlers run, and go on, when the bus is on a pool of threads or a strand; and how those
// that compute or block leave the bus's thread alone, as docs/handlers.md has it.

namespace executors_test {

namespace net = cobus::net;

struct picture {
    std::string album;
    int number = 0;
};

} // namespace executors_test

template <> struct cobus::contract<executors_test::picture> {
    static constexpr std::string_view type = "picture", topic = "pictures";
    static constexpr auto key = &executors_test::picture::album;
};

namespace executors_test {

/// What the pool did. Any thread.
class darkroom {
public:
    /// The first of each album waits for that of another: which comes only if both run at once.
    void develop(const picture& what) {
        std::unique_lock lock(guard_);
        overlaps_ += busy_.insert(what.album).second ? 0 : 1;
        threads_.insert(std::this_thread::get_id());
        if (what.number == 0) {
            ++firsts_;
            changed_.notify_all();
            const bool met =
                changed_.wait_for(lock, std::chrono::seconds(30), [this] { return firsts_ == 2; });
            alone_ += met ? 0 : 1;
        }
        numbers_[what.album].push_back(what.number);
        busy_.erase(what.album);
    }

    [[nodiscard]] auto alone() const { return alone_; }
    [[nodiscard]] auto overlaps() const { return overlaps_; }
    [[nodiscard]] auto numbers() const -> const auto& { return numbers_; }
    [[nodiscard]] auto was_on(std::thread::id thread) const { return threads_.contains(thread); }

private:
    std::mutex guard_;
    std::condition_variable changed_;
    std::set<std::string> busy_;
    std::set<std::thread::id> threads_;
    std::map<std::string, std::vector<int>> numbers_;
    int firsts_ = 0;
    int overlaps_ = 0;
    int alone_ = 0;
};

auto develop(darkroom& in, const picture& what) -> net::awaitable<void> {
    in.develop(what);
    co_return;
}

/// Publishes five pictures of each of two albums, and waits until all are handled.
auto develop_all(net::any_io_executor executor,
                 std::function<net::awaitable<void>(const picture&)> handler)
    -> net::awaitable<void> {
    cobus::bus bus(executor, cobus::test::quiet());
    auto developing = bus.on<picture>("darkroom", handler);
    co_await bus.start();
    for (int i = 0; i < 5; ++i) {
        for (const char* album : {"sea", "hills"}) {
            picture next;
            next.album = album;
            next.number = i;
            co_await bus.publish(next);
        }
    }
    co_await bus.stop();
}

void check(const darkroom& room) {
    CHECK(room.alone() == 0);
    CHECK(room.overlaps() == 0);
    const std::vector<int> in_order{0, 1, 2, 3, 4};
    CHECK(room.numbers() ==
          std::map<std::string, std::vector<int>>{{"hills", in_order}, {"sea", in_order}});
}

} // namespace executors_test

TEST_CASE("handlers compute at once on a pool of threads, those of a key one after the other") {
    using namespace executors_test;
    darkroom room;
    net::thread_pool pool(2);
    SUBCASE("beside a bus on one thread, which they leave alone") {
        net::io_context context;
        const auto handler = [&](const picture& what) -> net::awaitable<void> {
            co_await net::co_spawn(pool, develop(room, what), net::use_awaitable);
        };
        cobus::test::run(context, [&]() -> net::awaitable<void> {
            co_await develop_all(context.get_executor(), handler);
        });
        CHECK_FALSE(room.was_on(std::this_thread::get_id()));
    }
    SUBCASE("on which the bus runs, too") {
        const auto handler = [&](const picture& what) -> net::awaitable<void> {
            co_await net::post(net::use_awaitable);
            room.develop(what);
        };
        std::exception_ptr thrown;
        net::co_spawn(pool, develop_all(pool.get_executor(), handler),
                      [&](std::exception_ptr error) { thrown = std::move(error); });
        pool.join();
        CHECK_FALSE(thrown);
    }
    check(room);
}

TEST_CASE("on a strand, handlers begin and go on in it") {
    using namespace executors_test;
    net::io_context context;
    const auto strand = net::make_strand(context);
    int inside = 0;
    const auto look = [&] { inside += strand.running_in_this_thread() ? 1 : 0; };
    const auto handler = [&](const picture&) -> net::awaitable<void> {
        look();
        co_await net::post(net::use_awaitable);
        look();
        net::steady_timer pause(co_await net::this_coro::executor, std::chrono::milliseconds(1));
        co_await pause.async_wait(net::use_awaitable);
        look();
    };
    cobus::test::run(context,
                     [&]() -> net::awaitable<void> { co_await develop_all(strand, handler); });
    CHECK(inside == 30);
}

TEST_CASE("who publishes goes on in its own executor, also after it has waited") {
    using namespace executors_test;
    net::thread_pool pool(2);
    net::thread_pool others(2);
    const auto strand = net::make_strand(others);
    int outside = 0;
    const auto handler = [](const picture&) -> net::awaitable<void> {
        co_await net::post(net::use_awaitable);
    };
    const auto publish = [&]() -> net::awaitable<void> {
        cobus::settings how = cobus::test::quiet();
        how.retention(64); // so most of them wait for room
        cobus::bus bus(pool.get_executor(), how);
        auto taking = bus.on<picture>("take", handler);
        co_await bus.start();
        for (int i = 0; i < 1000; ++i) {
            picture next;
            next.number = i;
            co_await bus.publish(next);
            outside += strand.running_in_this_thread() ? 0 : 1;
        }
        co_await bus.stop();
        outside += strand.running_in_this_thread() ? 0 : 1;
    };
    std::exception_ptr thrown;
    net::co_spawn(strand, publish(), [&](std::exception_ptr error) { thrown = std::move(error); });
    others.join();
    pool.join();
    CHECK_FALSE(thrown);
    CHECK(outside == 0);
}

TEST_CASE("who publishes or calls from elsewhere does not take the handlers along") {
    using namespace executors_test;
    net::io_context context;
    net::thread_pool elsewhere(1);
    const auto strand = net::make_strand(context);
    int outside = 0;
    const auto handler = [&](const picture&) -> net::awaitable<void> {
        outside += strand.running_in_this_thread() ? 0 : 1;
        co_return;
    };
    const auto publish = [&]() -> net::awaitable<void> {
        cobus::bus bus(strand, cobus::test::quiet());
        auto looking = bus.on<picture>("look", handler);
        co_await bus.start();
        const picture next;
        co_await bus.call(next); // here, so that its coroutine is made
        SUBCASE("with calls") {
            for (int i = 0; i < 20; ++i) {
                co_await net::post(net::bind_executor(elsewhere, net::use_awaitable));
                co_await bus.call(next);
            }
        }
        SUBCASE("with more than the publisher lets wait") {
            for (int i = 0; i < 20 * 64; ++i) {
                co_await net::post(net::bind_executor(elsewhere, net::use_awaitable));
                co_await bus.publish(next);
            }
        }
        co_await net::post(net::use_awaitable);
        co_await bus.stop();
    };
    cobus::test::run(context, [&]() -> net::awaitable<void> {
        co_await net::co_spawn(strand, publish(), net::use_awaitable);
    });
    CHECK(outside == 0);
}

TEST_CASE("what a handler has spawned on a pool is not touched by the end of the handler's time") {
    using namespace executors_test;
    net::io_context context;
    net::thread_pool blocking(2);
    std::atomic<int> through = 0;
    int begun = 0;
    const auto resize = [&](const picture&) -> net::awaitable<void> {
        for (int i = 0; i < 20; ++i) {
            co_await net::post(net::use_awaitable);
            std::this_thread::sleep_for(std::chrono::microseconds(200)); // it blocks
        }
        ++through;
    };
    const auto handler = [&](const picture& what) -> net::awaitable<void> {
        ++begun;
        auto untouched = net::bind_cancellation_slot(net::cancellation_slot(), net::use_awaitable);
        co_await net::co_spawn(blocking, resize(what), std::move(untouched));
    };
    cobus::test::run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), cobus::test::quiet());
        auto limited = bus.on<picture>(
            cobus::handler("resize").time_limit(std::chrono::milliseconds(1)), handler);
        co_await bus.start();
        for (int i = 0; i < 50; ++i) {
            picture next;
            next.album = std::to_string(i);
            co_await bus.publish(next);
        }
        co_await bus.stop();
    });
    CHECK(begun == 50); // who ends well all the same is done
    CHECK(through == 50);
}
