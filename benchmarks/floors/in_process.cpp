#include "in_process.hpp"

#include "two_threads.hpp"

#include <benchmark/benchmark.h>

namespace {

using floors::handling;

constexpr std::size_t events = 65'536;

/// A function of its own, so that a profiler can count what it does and nothing else.
template <class Program>
[[gnu::noinline]] auto measured_round(Program& program, std::size_t handlers) -> std::uint64_t {
    return program(events, handlers);
}

/// Measures one program; the counter `per_event` is what one event takes.
template <class Program>
void measure(benchmark::State& state, Program program) {
    const auto handlers = static_cast<std::size_t>(state.range(0));
    const std::uint64_t expected = handlers * floors::worth_of(floors::make_events(), events);
    for (auto _ : state) {
        if (measured_round(program, handlers) != expected) {
            state.SkipWithError("not every event was handled once");
            break;
        }
    }
    using benchmark::Counter;
    state.counters["per_event"] =
        Counter(static_cast<double>(events), Counter::kIsIterationInvariantRate | Counter::kInvert);
}

#define COBUS_FLOOR(name, ...)                                                                     \
    BENCHMARK_CAPTURE(measure, name,                                                               \
                      [](std::size_t count, std::size_t handlers) { return __VA_ARGS__; })         \
        ->Arg(1)                                                                                   \
        ->Arg(10)

COBUS_FLOOR(direct_tasks, floors::direct_tasks::run(count, handlers, handling::at_once));
COBUS_FLOOR(direct_awaitables, floors::direct_awaitables::run(count, handlers, handling::at_once));
COBUS_FLOOR(direct_awaitables_suspend,
            floors::direct_awaitables::run(count, handlers, handling::suspends));
COBUS_FLOOR(ring_tasks, floors::ring_of_tasks::run(count, handlers, handling::at_once, false));
COBUS_FLOOR(ring_tasks_wait, floors::ring_of_tasks::run(count, handlers, handling::at_once, true));
COBUS_FLOOR(ring_tasks_suspend,
            floors::ring_of_tasks::run(count, handlers, handling::suspends, false));
COBUS_FLOOR(ring_awaitables, floors::ring_of_awaitables::run(count, handlers, handling::at_once));
COBUS_FLOOR(ring_awaitables_suspend,
            floors::ring_of_awaitables::run(count, handlers, handling::suspends));
COBUS_FLOOR(channel, floors::asio_channel<asio::experimental::channel>::run(count, handlers));
COBUS_FLOOR(concurrent_channel,
            floors::asio_channel<asio::experimental::concurrent_channel>::run(count, handlers));
COBUS_FLOOR(threads_mutex_ring, floors::mutex_ring<1>::run(count, handlers))->UseRealTime();
COBUS_FLOOR(threads_mutex_ring_batch, floors::mutex_ring<64>::run(count, handlers))->UseRealTime();
COBUS_FLOOR(threads_channel, floors::channel_across_threads::run(count, handlers))->UseRealTime();

} // namespace

BENCHMARK_MAIN();
