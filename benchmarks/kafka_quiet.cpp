// cobus over Kafka when little or nothing happens, with the modes of floors/kafka_quiet_c.cpp.
//
//   kafka_quiet mode=idle       seconds=
//   kafka_quiet mode=footprint  messages= bytes= envelope= how=callback|coroutine
#include "events.hpp"
#include "floors/measure.hpp"
#include "floors/process.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <asio.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace {

using bench::blob;
using bench::keyed_blob;
using measure::arguments;
using measure::stopwatch;

auto settings_of(const arguments& args) -> cobus::settings {
    cobus::settings made;
    made.kafka(true)
        .require_kafka()
        .brokers(args.text("brokers", "127.0.0.1:9092"))
        .topic("benchmark", args.text("topic", "cobus-quiet"))
        .start_from(cobus::start_at::earliest)
        .group_id("cobus-" + std::to_string(measure::now_ns()));
    if (const std::string linger = args.text("linger", ""); !linger.empty()) {
        made.property("linger.ms", linger);
    }
    return made;
}

auto sleep_for(std::chrono::seconds time) -> asio::awaitable<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
}

auto idle(cobus::bus& bus, const arguments& args) -> asio::awaitable<void> {
    asio::steady_timer handled(co_await asio::this_coro::executor,
                               asio::steady_timer::time_point::max());
    const auto on_event = [&](const blob&) -> asio::awaitable<void> {
        handled.cancel();
        co_return;
    };
    const auto subscription = bus.on<blob>("idle", on_event);
    blob what;
    what.bytes = "x";
    co_await bus.publish(what);
    asio::error_code ignored;
    co_await handled.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_await sleep_for(std::chrono::seconds(1)); // what comes with the start
    const auto time = std::chrono::seconds(args.number("seconds", 10));
    const auto seconds = static_cast<double>(time.count());
    const measure::wakes before = measure::count_wakes();
    const stopwatch watch;
    co_await sleep_for(time);
    const double cpu = watch.cpu();
    const measure::wakes after = measure::count_wakes();
    measure::report()
        .add("cpu_percent", cpu / seconds * 100)
        .add("wakes", static_cast<double>(after.of_others - before.of_others) / seconds)
        .add("librdkafka_wakes",
             static_cast<double>(after.of_librdkafka - before.of_librdkafka) / seconds)
        .print();
}

template <class Event>
auto publish_one(cobus::bus& bus, const Event& what, std::size_t& done) -> asio::awaitable<void> {
    co_await bus.publish(what);
    ++done;
}

void fill(blob& what, std::size_t /*number*/, std::size_t bytes) { what.bytes.assign(bytes, 'x'); }
void fill(keyed_blob& what, std::size_t number, std::size_t bytes) {
    what.key = "key-" + std::to_string(1000 + number % 1000);
    what.bytes.assign(bytes, 'x');
}

template <class Event>
auto footprint(cobus::bus& bus, const arguments& args) -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    const std::size_t messages = args.number("messages", 5'000), bytes = args.number("bytes", 100);
    const bool coroutines = args.text("how", "callback") == "coroutine";
    Event what;
    fill(what, 0, bytes);
    co_await bus.publish(what); // makes the topic and the connections
    std::size_t done = 0;
    const std::size_t before = measure::heap_in_use();
    for (std::size_t i = 0; i < messages; ++i) {
        fill(what, i, bytes);
        if (coroutines) {
            asio::co_spawn(executor, publish_one(bus, what, done), asio::detached);
            co_await asio::post(asio::use_awaitable); // it reads the event
        } else {
            bus.publish(what, [&](std::error_code, const cobus::receipt&) { ++done; });
        }
    }
    const std::size_t after = measure::heap_in_use();
    if (done != 0) {
        throw std::runtime_error("some are no longer under way: raise linger");
    }
    measure::report()
        .add("bytes", static_cast<double>(after - before) / static_cast<double>(messages))
        .print();
}

auto run(cobus::bus& bus, const arguments& args) -> asio::awaitable<void> {
    co_await bus.start();
    if (args.text("mode", "") == "idle") {
        co_await idle(bus, args);
    } else if (args.number("envelope", 0) != 0) {
        co_await footprint<keyed_blob>(bus, args);
    } else {
        co_await footprint<blob>(bus, args);
    }
    std::fflush(stdout);
    std::_Exit(0); // what is measured is measured
}

} // namespace

auto main(int argc, char** argv) -> int {
    const arguments args(argc, argv);
    asio::io_context io(1);
    cobus::bus bus(io.get_executor(), settings_of(args), cobus::kafka());
    asio::co_spawn(io, run(bus, args), [](const std::exception_ptr& problem) {
        if (problem) {
            std::rethrow_exception(problem);
        }
    });
    io.run();
    return 1;
}
