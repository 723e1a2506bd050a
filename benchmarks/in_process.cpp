// cobus in memory, for the rows that floors/in_process.cpp and floors/two_threads.hpp have floors
// for.
#include "events.hpp"
#include "support/allocations.hpp"

#include <cobus/cobus.hpp>

#include <asio.hpp>
#include <benchmark/benchmark.h>

#include <atomic>
#include <optional>
#include <thread>

namespace {

using floors::event;

constexpr std::size_t events = 65'536;

enum class handling : unsigned char { at_once, suspends };

/// A bus in memory with some handlers, which runs for the whole of one benchmark.
class memory_bus {
public:
    memory_bus(asio::io_context& io, std::size_t handlers, handling how,
               const cobus::settings& said = cobus::settings())
        : io_(io), bus_(io.get_executor(), said) {
        for (std::size_t i = 0; i < handlers; ++i) {
            subscriptions_.push_back(add(how, "handler-" + std::to_string(i)));
        }
        bool started = false;
        bus_.start([&](std::error_code) { started = true; });
        while (!started) {
            io_.run_one();
        }
    }
    ~memory_bus() {
        bool stopped = false;
        bus_.stop([&](std::error_code) { stopped = true; });
        while (!stopped) {
            io_.run_one();
        }
    }

    /// Publishes on `from`, by so many coroutines that each await every publish.
    void publish(asio::io_context& from, std::size_t count, std::size_t publishers) {
        left_ = count;
        for (std::size_t i = 0; i < publishers; ++i) {
            asio::co_spawn(from, publish_some(), asio::detached);
        }
    }
    void call(std::size_t count) {
        left_ = count;
        asio::co_spawn(io_, call_some(), asio::detached);
    }
    /// Runs until handlers have handled so many events since the beginning.
    void run_until(std::size_t handled) {
        while (handled_ < handled) {
            io_.run_one();
        }
    }

    [[nodiscard]] auto sum() const noexcept -> std::uint64_t { return sum_; }

private:
    auto add(handling how, const std::string& name) -> cobus::subscription {
        if (how == handling::suspends) {
            return bus_.on<event>(name, [this](const event& what) -> asio::awaitable<void> {
                co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
                handle(what);
            });
        }
        return bus_.on<event>(name, [this](const event& what) -> asio::awaitable<void> {
            handle(what);
            co_return;
        });
    }
    void handle(const event& what) noexcept {
        sum_ += floors::worth(what);
        ++handled_;
    }
    auto publish_some() -> asio::awaitable<void> {
        while (left_ != 0) {
            co_await bus_.publish(round_[(events - left_--) % round_.size()]);
        }
    }
    auto call_some() -> asio::awaitable<void> {
        while (left_ != 0) {
            co_await bus_.call(round_[(events - left_--) % round_.size()]);
        }
    }

    const std::vector<event> round_ = floors::make_events();
    asio::io_context& io_;
    asio::executor_work_guard<asio::io_context::executor_type> stay_{io_.get_executor()};
    std::uint64_t sum_ = 0;
    std::size_t handled_ = 0, left_ = 0;
    cobus::bus bus_;
    std::vector<cobus::subscription> subscriptions_;
};

/// A function of its own, so that a profiler can count what it does and nothing else.
template <class Round> [[gnu::noinline]] void measured_round(Round& round) { round(); }

/// Measures `once`, which carries all events through; says what one event takes, and allocates.
template <class Once>
void measure(benchmark::State& state, memory_bus& bus, std::size_t handlers, Once once) {
    const std::uint64_t worth = handlers * floors::worth_of(floors::make_events(), events);
    std::size_t rounds = 0;
    const auto round = [&] { once(events * handlers * ++rounds); };
    round();
    round(); // pools and rings have their size now
    const std::size_t allocated = bench::allocations();
    for (auto _ : state) {
        measured_round(round);
    }
    const auto carried = static_cast<double>(events * static_cast<std::size_t>(state.iterations()));
    using benchmark::Counter;
    state.counters["allocations"] = static_cast<double>(bench::allocations() - allocated) / carried;
    state.counters["per_event"] =
        Counter(static_cast<double>(events), Counter::kIsIterationInvariantRate | Counter::kInvert);
    if (bus.sum() != worth * rounds) {
        state.SkipWithError("not every event was handled once");
    }
}

void publish(benchmark::State& state, handling how, std::size_t publishers) {
    const auto handlers = static_cast<std::size_t>(state.range(0));
    asio::io_context io(1);
    memory_bus bus(io, handlers, how);
    measure(state, bus, handlers, [&](std::size_t handled) {
        bus.publish(io, events, publishers);
        bus.run_until(handled);
    });
}

/// A log that stays in the processor's cache.
void publish_with_short_log(benchmark::State& state) {
    const auto handlers = static_cast<std::size_t>(state.range(0));
    asio::io_context io(1);
    memory_bus bus(io, handlers, handling::at_once, cobus::settings().retention(1024));
    measure(state, bus, handlers, [&](std::size_t handled) {
        bus.publish(io, events, 1);
        bus.run_until(handled);
    });
}

void call(benchmark::State& state) {
    const auto handlers = static_cast<std::size_t>(state.range(0));
    asio::io_context io(1);
    memory_bus bus(io, handlers, handling::at_once);
    measure(state, bus, handlers, [&](std::size_t handled) {
        bus.call(events);
        bus.run_until(handled);
        io.poll(); // the last call's end
    });
}

/// The publisher on one thread, bus and handlers on another.
void publish_across_threads(benchmark::State& state) {
    const auto handlers = static_cast<std::size_t>(state.range(0));
    asio::io_context here(1), there(1);
    memory_bus bus(there, handlers, handling::at_once);
    measure(state, bus, handlers, [&](std::size_t handled) {
        bus.publish(here, events, 1);
        std::thread other([&] { bus.run_until(handled); });
        here.restart();
        here.run();
        other.join();
    });
}

BENCHMARK_CAPTURE(publish, one_at_a_time, handling::at_once, 1)->Arg(1)->Arg(10);
BENCHMARK_CAPTURE(publish, in_flight_64, handling::at_once, 64)->Arg(1)->Arg(10);
BENCHMARK_CAPTURE(publish, suspends, handling::suspends, 1)->Arg(1)->Arg(10);
BENCHMARK(publish_with_short_log)->Arg(1);
BENCHMARK(call)->Arg(1)->Arg(10);
BENCHMARK(publish_across_threads)->Arg(1)->Arg(10)->UseRealTime();

} // namespace

BENCHMARK_MAIN();
