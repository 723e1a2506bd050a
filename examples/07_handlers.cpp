// 07 Handlers: what stands between an event and its handler when asked for. A payment service that
// is slow, limited and at times down is called within a time limit, at a rate, and not at all while
// it fails; copies of an event are charged once; and rows are written many at a time.
#include <cobus/cobus.hpp>

#include <asio/steady_timer.hpp>

#include <chrono>
#include <iostream>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace std::chrono_literals;
using cobus::net::awaitable;

struct invoice {
    std::string customer;
    int cents = 0;
};

template <> struct cobus::contract<invoice> {
    static constexpr std::string_view type = "invoice", topic = "invoices";
    static constexpr auto key = &invoice::customer;
};

int outages = 3;

awaitable<void> charge(const invoice& event) {
    asio::steady_timer bank(co_await cobus::net::this_coro::executor, 1ms);
    co_await bank.async_wait(cobus::net::use_awaitable); // ends early when the time is up
    if (outages-- > 0) {
        throw std::runtime_error("the bank is down"); // tried again; three of them open the breaker
    }
    std::cout << "charged " << event.cents << " to " << event.customer << "\n";
}

awaitable<void> write_rows(std::span<const invoice> rows, cobus::batch_context& batch) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].cents < 0) {
            batch.say(i, cobus::outcome::dead_letter("a negative amount")); // the others are fine
        }
    }
    std::cout << "one insert for " << rows.size() << " rows\n";
    co_return;
}

awaitable<void> serve() {
    cobus::bus bus(co_await cobus::net::this_coro::executor, cobus::settings());
    auto seen = std::make_shared<cobus::memory_deduplication>(); // or cobus::sqlite_deduplication
    auto billing =
        bus.on<invoice>(cobus::handler("billing")
                            .retry(cobus::retry_policy().attempts(8).backoff(1ms, 10ms))
                            .time_limit(5s)
                            .breaker(cobus::breaker_policy().failures(3).open_for(50ms, 1s))
                            .rate(cobus::rate_limit(1000, 1s))
                            .deduplicate(seen),
                        charge);
    auto rows =
        bus.on_batch<invoice>(cobus::handler("rows").batch(100, 20ms).concurrency(1), write_rows);
    co_await bus.start();
    for (int i = 1; i <= 5; ++i) {
        invoice event{"customer " + std::to_string(i), i * 100};
        const auto named = cobus::with().id("invoice-" + std::to_string(i));
        co_await bus.publish(event, named);
        co_await bus.publish(event, named); // a copy, which is not charged again
    }
    invoice last{"customer 6", 600};
    co_await bus.call(last); // until all handlers are through with it
    co_await bus.stop();
}

int main() {
    cobus::net::io_context context;
    cobus::net::co_spawn(context, serve(), cobus::net::detached);
    context.run();
}
