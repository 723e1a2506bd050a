#include "activity_event.hpp"
#include "commands.hpp"
#include "environment.hpp"
#include "interrupt.hpp"
#include "tally.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace activity {
namespace {

namespace net = cobus::net;

/// Counts what arrives and shows it: in place on a terminal each second, else a line every 5 s.
class dashboard {
public:
    dashboard(const net::any_io_executor& executor, consume_options how, cobus::settings settings)
        : how_(how),
          where_(destination(settings)),
          terminal_(::isatty(STDOUT_FILENO) == 1),
          pause_(executor),
          over_(executor, 1),
          interrupted_(executor, [this] { end(); }),
          bus_(executor, std::move(settings), cobus::kafka()) {}

    [[nodiscard]] auto run() -> command {
        using namespace asio::experimental::awaitable_operators;
        auto counting = bus_.on<activity_event>("count", [this](const activity_event& event) {
            counts_.add(event);
            if (counts_.total == how_.count) {
                end();
            }
        });
        co_await bus_.start();
        std::printf("counting what arrives from %s; Ctrl-C ends\n", where_.c_str());
        co_await (show_again_and_again() || over_.async_receive(net::use_awaitable));
        interrupted_.let_go();
        co_await bus_.stop();
        terminal_ ? draw() : print();
        co_return how_.count == 0 || counts_.total >= how_.count ? 0 : 1;
    }

private:
    void end() { over_.try_send(std::error_code(), true); }

    [[nodiscard]] auto show_again_and_again() -> net::awaitable<void> {
        for (;;) {
            pause_.expires_after(std::chrono::seconds(terminal_ ? 1 : 5));
            co_await pause_.async_wait(net::use_awaitable);
            terminal_ ? draw() : print();
        }
    }
    void print() const {
        std::printf("%llu events; %s\n", static_cast<unsigned long long>(counts_.total),
                    to_text(counts_.by_type, 20).c_str());
        std::fflush(stdout);
    }
    void draw() const {
        std::printf("\033[H\033[2J%llu events from %s\n\n",
                    static_cast<unsigned long long>(counts_.total), where_.c_str());
        section("by type", counts_.by_type);
        section("by user", counts_.by_user);
        section("by device", counts_.by_device);
        std::fflush(stdout);
    }
    static void section(const char* title, const counter& counts) {
        std::printf("%s (%zu)\n", title, counts.names());
        for (const auto& [name, count] : counts.top(10)) {
            std::printf("  %-28s %10llu\n", name.c_str(), static_cast<unsigned long long>(count));
        }
        std::printf("\n");
    }

    consume_options how_;
    std::string where_;
    bool terminal_;
    tally counts_;
    asio::steady_timer pause_;
    asio::experimental::channel<void(std::error_code, bool)> over_;
    interrupt interrupted_;
    cobus::bus bus_;
};

} // namespace

auto consume(consume_options how) -> command {
    cobus::settings settings = settings_from_environment();
    if (!settings.kafka_enabled()) {
        std::fputs(
            "consume: nothing arrives in memory from other processes; set KAFKA_ENABLED=true "
            "and KAFKA_BROKERS\n",
            stderr);
        co_return 2;
    }
    const net::any_io_executor executor = co_await net::this_coro::executor;
    dashboard shown(executor, how, std::move(settings));
    co_return co_await shown.run();
}

} // namespace activity
