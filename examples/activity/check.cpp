#include "activity_event.hpp"
#include "commands.hpp"
#include "environment.hpp"
#include "sleeper.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace activity {
namespace {

namespace net = cobus::net;
using clock = std::chrono::steady_clock;

/// What the handler tells the one who sent.
struct arrival {
    sleeper waiting;
    std::optional<clock::time_point> when = std::nullopt;
};

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

/// Sends the event until one is back: a group that was just made may begin behind the first one.
/// Throws what publishing throws; false when none came within the limit.
[[nodiscard]] auto there_and_back(cobus::bus& bus, arrival& arrived, const activity_event& event,
                                  clock::duration limit, const std::string& where)
    -> net::awaitable<bool> {
    const clock::time_point end = clock::now() + limit;
    while (clock::now() < end) {
        const clock::time_point begun = clock::now();
        const cobus::receipt receipt = co_await bus.publish(event);
        const double sent = milliseconds(clock::now() - begun);
        if (!arrived.when) {
            co_await arrived.waiting.sleep(std::chrono::seconds(2));
        }
        if (arrived.when) {
            std::printf("%s: one event sent to %s in %.2f ms, there and back in %.2f ms\n",
                        where.c_str(), std::string(receipt.topic()).c_str(), sent,
                        milliseconds(*arrived.when - begun));
            co_return true;
        }
    }
    co_return false;
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
    arrival arrived{sleeper(executor)};
    auto watching = bus.on<activity_event>("check", [&](const activity_event& event) {
        if (event.session_id == session) {
            arrived.when = clock::now();
            arrived.waiting.wake();
        }
    });
    co_await bus.start();
    std::string problem;
    int code = 1;
    try {
        co_await watching.ready();
        const activity_event event = test_event(session);
        if (co_await there_and_back(bus, arrived, event, how.limit, where)) {
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
