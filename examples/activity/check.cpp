#include "activity_event.hpp"
#include "commands.hpp"
#include "environment.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

namespace activity {
namespace {

namespace net = cobus::net;
using clock = std::chrono::steady_clock;
using arrival = asio::experimental::channel<void(std::error_code, clock::time_point)>;

/// The event of the check, told from others by its session.
[[nodiscard]] auto test_event(const std::string& session) -> activity_event {
    activity_event event;
    event.user_id = "connection-test";
    event.event_type = "connection_test";
    event.description = "sent by activity check";
    event.entity_type = "check";
    event.entity_id = session;
    event.session_id = session;
    event.occurred_at =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    return event;
}

[[nodiscard]] auto milliseconds(clock::duration passed) -> double {
    return std::chrono::duration<double, std::milli>(passed).count();
}

/// Waits for the event, up to a limit; the time of its arrival, or the clock's beginning.
[[nodiscard]] auto wait_for(arrival& arrived, clock::duration limit)
    -> net::awaitable<clock::time_point> {
    using namespace asio::experimental::awaitable_operators;
    asio::steady_timer timer(arrived.get_executor(), limit);
    const auto first = co_await (arrived.async_receive(net::use_awaitable) ||
                                 timer.async_wait(net::use_awaitable));
    const clock::time_point* const when = std::get_if<0>(&first);
    co_return when != nullptr ? *when : clock::time_point();
}

} // namespace

auto check(check_options how) -> command {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    cobus::settings settings = settings_from_environment();
    const std::string where = destination(settings);
    const std::string session =
        cobus::message_id::make(
            std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()))
            .str();
    // A group of its own, so that the event comes here and to nobody else's instead.
    settings.group_id("activity-check-" + session).start_from(cobus::start_at::latest);
    settings.when_away(cobus::policy::fail);

    cobus::bus bus(executor, std::move(settings), cobus::kafka());
    arrival arrived(executor, 1);
    auto watching = bus.on<activity_event>("check", [&](const activity_event& event) {
        if (event.session_id == session) {
            arrived.try_send(std::error_code(), clock::now());
        }
    });
    co_await bus.start();
    std::string problem;
    int code = 1;
    try {
        co_await watching.ready();
        const activity_event event = test_event(session);
        const clock::time_point begun = clock::now();
        const cobus::receipt receipt = co_await bus.publish(event);
        const double sent = milliseconds(clock::now() - begun);
        const clock::time_point came = co_await wait_for(arrived, how.limit);
        if (came != clock::time_point()) {
            std::printf("%s: one event sent to %s in %.2f ms, there and back in %.2f ms\n",
                        where.c_str(), std::string(receipt.topic()).c_str(), sent,
                        milliseconds(came - begun));
            code = 0;
        } else {
            problem = "the event was sent, but did not come back";
        }
    } catch (const std::system_error& failed) {
        problem = failed.what();
    }
    if (!problem.empty()) {
        std::fprintf(stderr, "%s: %s\n", where.c_str(), problem.c_str());
    }
    co_await bus.stop();
    co_return code;
}

} // namespace activity
