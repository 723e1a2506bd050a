#include "activity_event.hpp"
#include "commands.hpp"
#include "environment.hpp"
#include "interrupt.hpp"
#include "sleeper.hpp"
#include "tally.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <chrono>
#include <cstdio>
#include <string>
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
          interrupted_(executor, [this] { end(); }),
          bus_(executor, std::move(settings), cobus::kafka()) {}

    [[nodiscard]] auto run() -> command {
        auto counting = bus_.on<activity_event>("count", [this](const activity_event& event) {
            counts_.add(event);
            if (counts_.total == how_.count) {
                end();
            }
        });
        co_await bus_.start();
        std::printf("counting what arrives from %s; Ctrl-C ends\n", where_.c_str());
        while (!over_) {
            co_await pause_.sleep(std::chrono::seconds(terminal_ ? 1 : 5));
            terminal_ ? draw() : print();
        }
        interrupted_.let_go();
        co_await bus_.stop();
        co_return how_.count == 0 || counts_.total >= how_.count ? 0 : 1;
    }

private:
    void end() {
        over_ = true;
        pause_.wake();
    }
    void print() const {
        std::printf("%llu events; %s\n", static_cast<unsigned long long>(counts_.total),
                    to_text(counts_.by_type, 20).c_str());
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
    bool over_ = false;
    sleeper pause_;
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
