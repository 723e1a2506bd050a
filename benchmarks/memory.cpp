// What a publish takes of memory in process, until it is handled, or until there is room.
//
//   memory mode=log|line  how=callback|coroutine  messages=
//
// log: published, but no handler has taken it to its end; line: suspended, because the log is full.
#include "events.hpp"
#include "floors/measure.hpp"
#include "floors/process.hpp"

#include <cobus/cobus.hpp>

#include <asio.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using floors::event;
using measure::arguments;

auto publish_one(cobus::bus& bus, const event& what, std::size_t& done) -> asio::awaitable<void> {
    co_await bus.publish(what);
    ++done;
}

void start(asio::io_context& io, cobus::bus& bus) {
    bool started = false;
    bus.start([&](std::error_code) { started = true; });
    while (!started) {
        io.run_one();
    }
    io.poll();
}

void footprint(const arguments& args) {
    const bool line = args.text("mode", "log") == "line";
    const bool coroutines = args.text("how", "callback") == "coroutine";
    const std::size_t messages = args.number("messages", 10'000);
    asio::io_context io(1);
    const auto stay = asio::make_work_guard(io);
    cobus::settings how;
    how.retention(line ? 1 : 65'536);
    cobus::bus bus(io.get_executor(), how);
    asio::steady_timer never(io, asio::steady_timer::time_point::max());
    const auto handle = [&](const event&) -> asio::awaitable<void> {
        co_await never.async_wait(asio::use_awaitable);
    };
    auto subscription = bus.on<event>(cobus::handler("memory").concurrency(1), handle);
    start(io, bus);
    event what;
    what.key = "key-1000";
    std::size_t done = 0;
    bus.publish(what, [&](std::error_code, const cobus::receipt&) { ++done; });
    io.poll(); // the handler has begun with the first

    const std::size_t before = measure::heap_in_use();
    for (std::size_t i = 0; i < messages; ++i) {
        if (coroutines) {
            asio::co_spawn(io, publish_one(bus, what, done), asio::detached);
        } else {
            bus.publish(what, [&](std::error_code, const cobus::receipt&) { ++done; });
        }
    }
    io.poll();
    const std::size_t after = measure::heap_in_use();
    if (done != 1 + (line ? 0 : messages)) {
        std::fprintf(stderr, "memory: %zu of %zu have ended\n", done, messages);
        std::exit(1);
    }
    measure::report()
        .add("bytes", static_cast<double>(after - before) / static_cast<double>(messages) -
                          static_cast<double>(sizeof(event)))
        .print();
    std::fflush(stdout);
    std::_Exit(0); // what is measured is measured
}

} // namespace

auto main(int argc, char** argv) -> int {
    footprint(arguments(argc, argv));
    return 0;
}
