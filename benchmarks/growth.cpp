// cobus in memory, as numbers grow: types, partitions, keys, handlers at once, publishes in flight.
// What grows is the argument; a row is one figure beside another one of the same program.
#include "events.hpp"

#include <cobus/cobus.hpp>

#include <asio.hpp>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// Says its type itself, so that there can be as many types as one likes.
struct typed_event {
    std::string type, key;
    std::uint64_t value = 0;
};

} // namespace bench

template <> struct cobus::contract<bench::typed_event> {
    static constexpr auto type = &bench::typed_event::type;
    static constexpr std::string_view topic = "growth";
    static constexpr auto key = &bench::typed_event::key;
};

namespace {

constexpr std::size_t least_events = 65'536;

/// Writes the number into a key of eight bytes, at the same cost for all numbers.
void number_into(std::string& key, std::size_t number) {
    constexpr char digits[] = "0123456789abcdef";
    key.resize(8);
    for (char& each : key) {
        each = digits[number % 16];
        number /= 16;
    }
}

/// A bus in memory with one handler; runs for the whole of one benchmark.
template <class Event> class one_handler {
public:
    using make_event = std::function<const Event&(std::size_t)>;

    one_handler(const cobus::settings& how, cobus::handler_options options, bool suspends,
                make_event make)
        : make_(std::move(make)),
          bus_(io_.get_executor(), how),
          subscription_(bus_.on<Event>(std::move(options),
                                       [this, suspends](const Event&) -> asio::awaitable<void> {
                                           if (suspends) {
                                               co_await asio::post(asio::use_awaitable);
                                           }
                                           ++handled_;
                                       })) {
        bool started = false;
        bus_.start([&](std::error_code) { started = true; });
        run_until(started);
    }
    ~one_handler() {
        bool stopped = false;
        bus_.stop([&](std::error_code) { stopped = true; });
        run_until(stopped);
    }

    /// One after the other, by a coroutine.
    void publish(std::size_t count) {
        left_ = count;
        asio::co_spawn(io_, publish_all(), asio::detached);
        run_until_handled(count);
    }
    /// Always so many under way, without coroutines of ours.
    void publish(std::size_t count, std::size_t in_flight) {
        left_ = count;
        for (std::size_t i = 0; i < in_flight; ++i) {
            publish_next();
        }
        run_until_handled(count);
    }

private:
    auto publish_all() -> asio::awaitable<void> {
        while (left_ != 0) {
            co_await bus_.publish(make_(--left_));
        }
    }
    void publish_next() {
        if (left_ != 0) {
            bus_.publish(make_(--left_), [this](std::error_code, const cobus::receipt&) {
                ++acknowledged_;
                publish_next();
            });
        }
    }
    void run_until_handled(std::size_t count) {
        expected_ += count;
        while (handled_ < expected_) {
            io_.run_one();
        }
        io_.poll(); // the last publishes' ends
    }
    void run_until(const bool& done) {
        while (!done) {
            io_.run_one();
        }
    }

    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> stay_{io_.get_executor()};
    make_event make_;
    std::size_t handled_ = 0, expected_ = 0, left_ = 0, acknowledged_ = 0;
    cobus::bus bus_;
    cobus::subscription subscription_;
};

/// Measures `once`, which carries so many events through.
template <class Once> void measure(benchmark::State& state, std::size_t events, Once once) {
    once(); // pools and tables have their size now
    for (auto _ : state) {
        once();
    }
    using benchmark::Counter;
    state.counters["per_event"] =
        Counter(static_cast<double>(events), Counter::kIsIterationInvariantRate | Counter::kInvert);
}

auto argument(const benchmark::State& state, std::size_t index) -> std::size_t {
    return static_cast<std::size_t>(state.range(index));
}

void types(benchmark::State& state) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < argument(state, 0); ++i) {
        names.push_back("growth.type." + std::to_string(100'000 + i));
    }
    bench::typed_event event;
    one_handler<bench::typed_event> flow(cobus::settings(), cobus::handler("types"), false,
                                         [&](std::size_t i) -> const bench::typed_event& {
                                             event.type = names[i % names.size()];
                                             number_into(event.key, i % 1000);
                                             return event;
                                         });
    measure(state, least_events, [&] { flow.publish(least_events); });
}

/// Keys so many, all different within a round if there are as many.
class keyed {
public:
    explicit keyed(std::size_t keys) : keys_(keys) {}
    auto operator()(std::size_t i) -> const floors::event& {
        number_into(event_.key, i % keys_);
        return event_;
    }

private:
    std::size_t keys_;
    floors::event event_;
};

void partitions(benchmark::State& state) {
    one_handler<floors::event> flow(cobus::settings().partitions(argument(state, 0)),
                                    cobus::handler("partitions"), false, keyed(10'000));
    measure(state, least_events, [&] { flow.publish(least_events); });
}

void keys(benchmark::State& state) {
    const std::size_t events = std::max(least_events, argument(state, 0));
    one_handler<floors::event> flow(cobus::settings(), cobus::handler("keys"), false,
                                    keyed(argument(state, 0)));
    measure(state, events, [&] { flow.publish(events); });
}

/// A handler that suspends once, for so many keys, so many at once.
void dispatch(benchmark::State& state) {
    const std::size_t events = std::max(least_events, argument(state, 0));
    one_handler<floors::event> flow(cobus::settings(),
                                    cobus::handler("dispatch").concurrency(argument(state, 1)),
                                    true, keyed(argument(state, 0)));
    measure(state, events, [&] { flow.publish(events); });
}

void in_flight(benchmark::State& state) {
    const std::size_t events = std::max(least_events, 2 * argument(state, 0));
    one_handler<floors::event> flow(cobus::settings().retention(1024), cobus::handler("in_flight"),
                                    false, keyed(1000));
    measure(state, events, [&] { flow.publish(events, argument(state, 0)); });
}

BENCHMARK(types)->Arg(1)->Arg(10'000);
BENCHMARK(partitions)->Arg(1)->Arg(1000);
BENCHMARK(keys)->Arg(1)->Arg(1000)->Arg(1'000'000);
BENCHMARK(in_flight)->Arg(1)->Arg(1000)->Arg(1'000'000);
BENCHMARK(dispatch)->ArgsProduct({{1, 1000, 1'000'000}, {1, 8, 64}});

} // namespace

BENCHMARK_MAIN();
