// cobus over Kafka, with the arguments of floors/kafka_c.cpp, so that both can be run in turn.
//
//   kafka mode=produce    messages= bytes= window= linger= idempotence= envelope= compression=
//   kafka mode=latency    messages= bytes= linger= idempotence=
//   kafka mode=consume    messages=
//   kafka mode=roundtrip  seconds= per_second= bytes=
//
// linger and idempotence are cobus's own unless given; id= is a transactional one. envelope=1: a
// key of 8 bytes, and CloudEvents in headers. bare=1: without the way that leads on when Kafka is
// away.
#include "events.hpp"
#include "floors/measure.hpp"
#include "support/publish_all.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <asio.hpp>

#include <cstring>
#include <functional>
#include <optional>

namespace {

using bench::blob;
using bench::keyed_blob;
using bench::publish_all;
using measure::arguments;
using measure::now_ns;
using measure::stopwatch;

auto settings_of(const arguments& args) -> cobus::settings {
    cobus::settings made;
    made.kafka(true)
        .require_kafka()
        .brokers(args.text("brokers", "127.0.0.1:9092"))
        .topic("benchmark", args.text("topic", "cobus"))
        .group_id(args.text("group", "cobus-" + std::to_string(now_ns())));
    const std::pair<const char*, const char*> properties[] = {
        {"linger", "linger.ms"},
        {"compression", "compression.codec"},
        {"id", "transactional.id"},
        {"queued.min.messages", "queued.min.messages"}};
    for (const auto& [name, property] : properties) {
        if (const std::string value = args.text(name, ""); !value.empty()) {
            made.property(property, value);
        }
    }
    if (const std::string value = args.text("idempotence", ""); !value.empty()) {
        made.property("enable.idempotence", value == "0" ? "false" : "true");
    }
    return made;
}

/// Runs `work` with a bus that has started, until both have ended.
void with_bus(const arguments& args, const cobus::settings& how,
              const std::function<asio::awaitable<void>(cobus::bus&, const arguments&)>& work) {
    asio::io_context io(1);
    const bool bare = args.number("bare", 0) != 0;
    cobus::bus bus = bare ? cobus::bus(io.get_executor(), how, cobus::over(cobus::kafka()))
                          : cobus::bus(io.get_executor(), how, cobus::kafka());
    const auto run = [&]() -> asio::awaitable<void> {
        co_await bus.start();
        co_await work(bus, args);
        co_await bus.stop();
    };
    asio::co_spawn(io, run(), [](const std::exception_ptr& problem) {
        if (problem) {
            std::rethrow_exception(problem);
        }
    });
    io.run();
}

auto make_events(const arguments& args, const blob& /*like*/) -> std::vector<blob> {
    blob made;
    made.bytes.assign(args.number("bytes", 100), 'x');
    return {made};
}
auto make_events(const arguments& args, const keyed_blob& /*like*/) -> std::vector<keyed_blob> {
    return bench::keyed_blobs(args.number("bytes", 100));
}

template <class Event>
auto produce(cobus::bus& bus, const arguments& args) -> asio::awaitable<void> {
    const std::vector<Event> events = make_events(args, Event());
    const std::size_t messages = args.number("messages", 1'000'000);
    const std::size_t window = args.number("window", 10'000);
    co_await publish_all(bus, events, std::min<std::size_t>(messages / 10 + 1, 10'000), window);
    const stopwatch watch;
    co_await publish_all(bus, events, messages, window);
    measure::report().add_rate(messages, watch.wall(), watch.cpu()).print();
}

auto latency(cobus::bus& bus, const arguments& args) -> asio::awaitable<void> {
    const std::vector<blob> events = make_events(args, blob());
    const std::size_t messages = args.number("messages", 5'000);
    co_await publish_all(bus, events, messages / 10 + 1, 1);
    std::vector<std::int64_t> taken;
    taken.reserve(messages);
    const stopwatch watch;
    for (std::size_t i = 0; i < messages; ++i) {
        const std::int64_t begin = now_ns();
        co_await bus.publish(events.front());
        taken.push_back(now_ns() - begin);
    }
    const double wall = watch.wall(), cpu = watch.cpu();
    measure::report().add_latency(taken).add_rate(messages, wall, cpu).print();
}

auto consume(cobus::bus& bus, const arguments& args) -> asio::awaitable<void> {
    const std::size_t messages = args.number("messages", 1'000'000);
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer all_done(executor, asio::steady_timer::time_point::max());
    std::size_t taken = 0;
    std::optional<stopwatch> watch;
    const auto on_event = [&](const blob&) -> asio::awaitable<void> {
        if (taken++ == 0) {
            watch.emplace();
        } else if (taken == messages) {
            measure::report().add_rate(messages, watch->wall(), watch->cpu()).print();
            all_done.cancel();
        }
        co_return;
    };
    const auto subscription = bus.on<blob>("consume", on_event);
    asio::error_code ignored;
    co_await all_done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

auto roundtrip(cobus::bus& bus, const arguments& args) -> asio::awaitable<void> {
    const std::size_t per_second = args.number("per_second", 1'000);
    const std::size_t warm_up = per_second;
    const std::size_t messages = warm_up + per_second * args.number("seconds", 5);
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer all_done(executor, asio::steady_timer::time_point::max());
    std::vector<std::int64_t> taken;
    taken.reserve(messages);
    bool there = false;
    const auto on_event = [&](const blob& what) -> asio::awaitable<void> {
        std::int64_t sent = 0;
        std::memcpy(&sent, what.bytes.data(), sizeof(sent));
        there = true;
        if (sent != 0) {
            taken.push_back(now_ns() - sent);
        }
        if (taken.size() == messages) {
            all_done.cancel();
        }
        co_return;
    };
    auto subscription = bus.on<blob>("roundtrip", on_event);
    co_await subscription.ready();
    blob what;
    what.bytes.assign(std::max<std::size_t>(args.number("bytes", 100), 8), '\0');
    asio::steady_timer tick(executor);
    while (!there) { // until the topic exists and is read
        co_await bus.publish(what);
        tick.expires_after(std::chrono::milliseconds(10));
        co_await tick.async_wait(asio::use_awaitable);
    }
    const auto begin = std::chrono::steady_clock::now();
    std::optional<stopwatch> watch;
    for (std::size_t i = 0; i < messages; ++i) {
        tick.expires_at(begin + std::chrono::nanoseconds(i * 1'000'000'000 / per_second));
        co_await tick.async_wait(asio::use_awaitable);
        if (i == warm_up) {
            watch.emplace();
        }
        const std::int64_t stamp = now_ns();
        std::memcpy(what.bytes.data(), &stamp, sizeof(stamp));
        bus.publish(what, asio::detached);
    }
    asio::error_code ignored;
    if (taken.size() < messages) {
        co_await all_done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    const double wall = watch->wall(), cpu = watch->cpu();
    taken.erase(taken.begin(), taken.begin() + static_cast<std::ptrdiff_t>(warm_up));
    measure::report().add_latency(taken).add_rate(messages - warm_up, wall, cpu).print();
}

} // namespace

auto main(int argc, char** argv) -> int {
    const arguments args(argc, argv);
    const std::string mode = args.text("mode", "");
    cobus::settings how = settings_of(args);
    if (mode == "produce" && args.number("envelope", 0) != 0) {
        with_bus(args, how, produce<keyed_blob>);
    } else if (mode == "produce") {
        with_bus(args, how, produce<blob>);
    } else if (mode == "latency") {
        with_bus(args, how, latency);
    } else if (mode == "consume") {
        with_bus(args, how.start_from(cobus::start_at::earliest), consume);
    } else if (mode == "roundtrip") {
        with_bus(args, how.start_from(cobus::start_at::latest), roundtrip);
    } else {
        std::fprintf(stderr, "kafka: mode=produce, latency, consume or roundtrip\n");
        return 2;
    }
    return 0;
}
