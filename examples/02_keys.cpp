// 02 Keys: events of one key are handled one after another, in the order they were published;
// different keys run at the same time. Several handlers of one event do not know of each other.
#include <cobus/cobus.hpp>

#include <asio/steady_timer.hpp>

#include <chrono>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

struct deposit {
    std::string account;
    int cents = 0;
};

template <> struct cobus::contract<deposit> {
    static constexpr std::string_view type = "deposit", topic = "accounts";
    static constexpr auto key = &deposit::account;
};

// A handler that takes its time: coroutines may wait for whatever they like. Meanwhile the other
// account goes on, but the next deposit to the same account has to wait.
cobus::net::awaitable<void> book(const deposit& event) {
    asio::steady_timer paperwork(co_await cobus::net::this_coro::executor,
                                 std::chrono::milliseconds(20));
    co_await paperwork.async_wait(cobus::net::use_awaitable);
    std::cout << "booked " << event.cents << " on " << event.account << "\n";
}

cobus::net::awaitable<void> serve() {
    cobus::bus bus(co_await cobus::net::this_coro::executor, cobus::settings());
    std::map<std::string, int> totals;
    auto booking = bus.on<deposit>(cobus::handler("booking").concurrency(8), book);
    auto totalling = bus.on<deposit>(
        "totals", [&totals](const deposit& event) { totals[event.account] += event.cents; });
    auto auditing = bus.on_any("audit", [](const cobus::message& message) {
        std::cout << "audit: " << message.type() << " of " << message.key().value_or("nobody")
                  << "\n";
    });
    co_await bus.start();

    for (int i = 1; i < 4; ++i) {
        deposit annas{"anna", i};
        deposit bens{"ben", i * 100};
        co_await bus.publish(annas);
        co_await bus.publish(bens);
    }
    deposit last_of_anna{"anna", 1000};
    deposit last_of_ben{"ben", 1000};
    co_await bus.call(last_of_anna); // done only when the three before it are
    co_await bus.call(last_of_ben);
    for (const auto& [account, cents] : totals) {
        std::cout << account << " has " << cents << "\n";
    }
    co_await bus.stop();
}

int main() {
    cobus::net::io_context context;
    cobus::net::co_spawn(context, serve(), [](std::exception_ptr failed) {
        if (failed) {
            std::rethrow_exception(failed);
        }
    });
    context.run();
}
