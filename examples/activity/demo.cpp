#include "activity_event.hpp"
#include "commands.hpp"
#include "environment.hpp"
#include "interrupt.hpp"
#include "sleeper.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

namespace activity {
namespace {

namespace net = cobus::net;

void log(const std::string& line) { std::printf("%s\n", line.c_str()); }

/// A site with a few users, and the lines that its service logs.
class site {
public:
    site(const net::any_io_executor& executor, demo_options how, cobus::settings settings)
        : how_(how),
          where_(destination(settings)),
          topic_(settings.topic("event")),
          pause_(executor),
          interrupted_(executor,
                       [this] {
                           over_ = true;
                           pause_.wake();
                       }),
          bus_(executor, std::move(settings), cobus::kafka()) {}

    [[nodiscard]] auto run() -> command {
        co_await bus_.start();
        const clock::time_point end = clock::now() + how_.duration;
        for (std::size_t i = 0; !over_ && clock::now() < end; ++i) {
            report();
            act(types.at(i % types.size()), "u-" + std::to_string(i % 3 + 1));
            co_await pause_.sleep(how_.pause);
        }
        interrupted_.let_go();
        co_await bus_.stop();
        co_return 0;
    }

private:
    using clock = std::chrono::steady_clock;
    static constexpr std::array<const char*, 5> types{
        "user_login", "post_created", "comment_created", "vote_cast", "profile_updated"};

    /// While connected, says so every 3 s. The bus itself logs a lost connection once, and its
    /// return.
    void report() {
        const cobus::state state = bus_.health().what;
        const bool well = state == cobus::state::connected || state == cobus::state::memory;
        if (well && clock::now() >= report_) {
            log("connected to " + where_ + ", topic " + topic_);
            report_ = clock::now() + std::chrono::seconds(3);
        }
    }
    /// What a user does. The request never waits for Kafka: the outcome is logged when it is known.
    void act(const std::string& type, const std::string& user) {
        activity_event event;
        event.user_id = user;
        event.event_type = type;
        event.description = user + ": " + type;
        event.session_id = "demo";
        event.props = {"UTC+00:00", "203.0.113.7", "Desktop", "Firefox", "Linux"};
        event.request = {"POST", "/api/demo", "203.0.113.7"};
        event.occurred_at =
            std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
        log("sending " + type + " of " + user);
        bus_.publish(cobus::take(event), [type](std::error_code ec, const cobus::receipt& receipt) {
            log(ec ? "failed to send " + type + ": " + ec.message()
                   : "sent " + type + " to " + std::string(receipt.topic()) + " (" +
                         std::string(to_string(receipt.way())) + ")");
        });
    }

    demo_options how_;
    std::string where_, topic_;
    bool over_ = false;
    clock::time_point report_ = clock::now();
    sleeper pause_;
    interrupt interrupted_;
    cobus::bus bus_;
};

} // namespace

auto demo(demo_options how) -> command {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    site shown(executor, how, settings_from_environment());
    co_return co_await shown.run();
}

} // namespace activity
