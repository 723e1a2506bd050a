#include "events.hpp"
#include "quiet.hpp"
#include "run.hpp"

#include <cobus/cobus.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/strand.hpp>
#include <asio/system_executor.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

using cobus::receipt;
using cobus::test::quiet;
using cobus::test::tick;
namespace net = cobus::net;
using namespace std::chrono_literals;
using namespace net::experimental::awaitable_operators;

namespace {

/// Counts what goes through it, to see whose allocator was used.
template <class T> class counting_allocator {
public:
    using value_type = T;

    explicit counting_allocator(std::shared_ptr<std::atomic<int>> count)
        : count_(std::move(count)) {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) : count_(other.count()) {} // NOLINT

    auto allocate(std::size_t n) -> T* {
        ++*count_;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* memory, std::size_t n) noexcept {
        std::allocator<T>().deallocate(memory, n);
    }
    [[nodiscard]] auto count() const -> const std::shared_ptr<std::atomic<int>>& { return count_; }

    template <class U> auto operator==(const counting_allocator<U>& other) const noexcept -> bool {
        return count_ == other.count();
    }

private:
    std::shared_ptr<std::atomic<int>> count_;
};

template <> class counting_allocator<void> {
public:
    using value_type = void;
    explicit counting_allocator(std::shared_ptr<std::atomic<int>> count)
        : count_(std::move(count)) {}
    template <class U> counting_allocator(const counting_allocator<U>& other)
        : count_(other.count()) {} // NOLINT
    template <class U> struct rebind {
        using other = counting_allocator<U>;
    };
    [[nodiscard]] auto count() const -> const std::shared_ptr<std::atomic<int>>& { return count_; }
    template <class U> auto operator==(const counting_allocator<U>& other) const noexcept -> bool {
        return count_ == other.count();
    }

private:
    std::shared_ptr<std::atomic<int>> count_;
};

/// A callback with an allocator of its own.
class allocating_callback {
public:
    using allocator_type = counting_allocator<void>;

    allocating_callback(std::shared_ptr<std::atomic<int>> count,
                        std::promise<std::error_code>& told)
        : count_(std::move(count)), told_(&told) {}
    [[nodiscard]] auto get_allocator() const noexcept -> allocator_type {
        return allocator_type(count_);
    }
    void operator()(std::error_code ec, const receipt& /*where*/) { told_->set_value(ec); }

private:
    std::shared_ptr<std::atomic<int>> count_;
    std::promise<std::error_code>* told_;
};

/// Every token once, from a thread that is not the executor's.
void every_token(const net::any_io_executor& executor) {
    std::atomic<std::uint64_t> handled{0};
    cobus::bus bus(executor, quiet());
    auto handler = bus.on<tick>("sum", [&](const tick& event) { handled += event.number; });
    bus.start(net::use_future).get();
    const tick event{"k", 1};

    SUBCASE("a future") { CHECK(bus.publish(event, net::use_future).get().topic() == "clock"); }
    SUBCASE("a callback, never inside the call") {
        std::promise<std::pair<std::thread::id, std::error_code>> told;
        std::atomic<bool> returned{false};
        bus.publish(event, [&](std::error_code ec, const receipt&) {
            told.set_value({std::this_thread::get_id(), ec});
        });
        returned = true;
        const auto [where, ec] = told.get_future().get();
        CHECK_FALSE(ec);
        CHECK(where != std::this_thread::get_id());
    }
    SUBCASE("detached") { bus.publish(event, net::detached); }
    SUBCASE("an awaitable") {
        const auto publish = [&]() -> net::awaitable<std::string> {
            const receipt where = co_await bus.publish(event);
            co_return std::string(where.topic());
        };
        CHECK(net::co_spawn(executor, publish(), net::use_future).get() == "clock");
    }
    SUBCASE("a spawned awaitable, though the event is gone by then") {
        auto short_lived = std::make_unique<tick>(event);
        auto published = bus.publish(*short_lived);
        short_lived.reset();
        CHECK(net::co_spawn(executor, std::move(published), net::use_future).get().topic() ==
              "clock");
    }
    SUBCASE("as_tuple") {
        const auto publish = [&]() -> net::awaitable<bool> {
            const auto told =
                co_await bus.publish(event, net::experimental::as_tuple(net::use_awaitable));
            co_return !std::get<0>(told) && std::get<1>(told).topic() == "clock";
        };
        CHECK(net::co_spawn(executor, publish(), net::use_future).get());
    }
    SUBCASE("redirect_error") {
        const auto publish = [&]() -> net::awaitable<bool> {
            std::error_code ec = cobus::errc::fatal;
            const receipt where =
                co_await bus.publish(event, net::redirect_error(net::use_awaitable, ec));
            co_return !ec && where.topic() == "clock";
        };
        CHECK(net::co_spawn(executor, publish(), net::use_future).get());
    }
    SUBCASE("bind_executor") {
        net::thread_pool other(1);
        std::promise<bool> told;
        bus.publish(event,
                    net::bind_executor(other.get_executor(), [&](std::error_code, const receipt&) {
                        told.set_value(other.get_executor().running_in_this_thread());
                    }));
        CHECK(told.get_future().get());
        other.join();
    }
    SUBCASE("an allocator of the handler's") {
        const auto count = std::make_shared<std::atomic<int>>(0);
        std::promise<std::error_code> told;
        bus.publish(event, allocating_callback(count, told));
        CHECK_FALSE(told.get_future().get());
        CHECK(*count > 0);
    }
    SUBCASE("bind_cancellation_slot") {
        net::cancellation_signal signal;
        std::promise<std::error_code> told;
        bus.publish(event, net::bind_cancellation_slot(
                               signal.slot(),
                               [&](std::error_code ec, const receipt&) { told.set_value(ec); }));
        CHECK_FALSE(told.get_future().get());
    }
    SUBCASE("operator ||") {
        const auto publish = [&]() -> net::awaitable<std::size_t> {
            net::steady_timer patience(co_await net::this_coro::executor, 1min);
            const auto which =
                co_await (bus.publish(event) || patience.async_wait(net::use_awaitable));
            co_return which.index();
        };
        CHECK(net::co_spawn(executor, publish(), net::use_future).get() == 0);
    }
    std::promise<std::error_code> stopped; // a callback may leave the result out
    bus.stop(10s, [&](std::error_code ec) { stopped.set_value(ec); });
    CHECK_FALSE(stopped.get_future().get());
    std::promise<cobus::stop_result> told;
    bus.stop([&](std::error_code /*ec*/, cobus::stop_result how) { told.set_value(how); });
    CHECK(told.get_future().get().durable);
    const cobus::stop_result again = bus.stop(net::use_future).get();
    CHECK(again.left == 0);
    CHECK(handled == 1);
}

} // namespace

TEST_CASE("every completion token works on an io_context with one thread") {
    net::io_context context;
    auto work = net::make_work_guard(context);
    std::thread thread([&] { context.run(); });
    every_token(context.get_executor());
    work.reset();
    thread.join();
}

TEST_CASE("every completion token works on an io_context with four threads") {
    net::io_context context;
    auto work = net::make_work_guard(context);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] { context.run(); });
    }
    every_token(context.get_executor());
    work.reset();
    for (auto& thread : threads) {
        thread.join();
    }
}

TEST_CASE("every completion token works on a thread pool") {
    net::thread_pool pool(3);
    every_token(pool.get_executor());
    pool.join();
}

TEST_CASE("every completion token works on a strand") {
    net::thread_pool pool(3);
    every_token(net::make_strand(pool));
    pool.join();
}

TEST_CASE("every completion token works on the system executor") {
    every_token(net::system_executor());
}
