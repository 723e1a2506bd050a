#include "activity_event.hpp"
#include "commands.hpp"
#include "environment.hpp"
#include "interrupt.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/steady_timer.hpp>

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

void log(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

/// A site with a few users, and the lines that its service logs.
class site {
public:
    site(const net::any_io_executor& executor, demo_options how, cobus::settings settings)
        : how_(how),
          where_(destination(settings)),
          topic_(settings.topic("event")),
          over_(executor, 1),
          interrupted_(executor, [this] { over_.try_send(std::error_code(), true); }),
          bus_(executor, std::move(settings), cobus::kafka()) {}

    [[nodiscard]] auto run() -> command {
        using namespace asio::experimental::awaitable_operators;
        asio::steady_timer end(co_await net::this_coro::executor, how_.duration);
        co_await bus_.start();
        co_await (report() || live() || end.async_wait(net::use_awaitable) ||
                  over_.async_receive(net::use_awaitable));
        interrupted_.let_go();
        co_await bus_.stop();
        co_return 0;
    }

private:
    /// While connected, says so every 3 s. The bus itself logs a lost connection once, and its
    /// return.
    [[nodiscard]] auto report() -> net::awaitable<void> {
        asio::steady_timer pause(co_await net::this_coro::executor);
        for (;;) {
            if (bus_.health().what == cobus::state::connected ||
                bus_.health().what == cobus::state::memory) {
                log("connected to " + where_ + ", topic " + topic_);
            }
            pause.expires_after(std::chrono::seconds(3));
            co_await pause.async_wait(net::use_awaitable);
        }
    }
    /// What users do. Their requests never wait for Kafka: the outcome is logged when it is known.
    [[nodiscard]] auto live() -> net::awaitable<void> {
        constexpr std::array<const char*, 5> types{"user_login", "post_created", "comment_created",
                                                   "vote_cast", "profile_updated"};
        asio::steady_timer pause(co_await net::this_coro::executor);
        for (std::size_t i = 0;; ++i) {
            act(types[i % types.size()], "u-" + std::to_string(i % 3 + 1));
            pause.expires_after(how_.pause);
            co_await pause.async_wait(net::use_awaitable);
        }
    }
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
    asio::experimental::channel<void(std::error_code, bool)> over_;
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
