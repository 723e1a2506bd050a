// 04 Outcomes: what handlers do when things go wrong. Throwing means "try again later", an outcome
// says it without an exception, and what cannot succeed goes to the dead letter topic with the
// reason.
#include <cobus/cobus.hpp>
#include <cobus/json.hpp>

#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

using namespace std::chrono_literals;

struct payment {
    std::string id;
    int cents = 0;
};

template <> struct cobus::contract<payment> {
    static constexpr std::string_view type = "payment", topic = "payments";
    static constexpr auto key = &payment::id;
    static constexpr auto fields =
        cobus::fields(field("id", &payment::id), field("cents", &payment::cents));
    using codec = cobus::json_codec; // a dead letter is made of bytes
};

cobus::outcome charge(const payment& event, cobus::context& run) {
    std::cout << event.id << ", attempt " << run.attempt() << "\n";
    if (event.cents <= 0) {
        return cobus::outcome::dead_letter("the amount must be positive"); // never try again
    }
    if (event.id == "busy" && run.attempt() == 1) {
        return cobus::outcome::retry_after(10ms, "the bank is busy");
    }
    if (event.id == "flaky" && run.attempt() < 3) {
        throw std::runtime_error("connection reset"); // retried with exponential backoff
    }
    return cobus::outcome::done();
}

cobus::net::awaitable<void> try_one(cobus::bus& bus, const char* id, int cents) {
    payment event{id, cents};
    try {
        co_await bus.call(event);
        std::cout << id << " is paid\n";
    } catch (const std::system_error& failed) {
        std::cout << id << " is not paid: " << failed.what() << "\n";
    }
}

cobus::net::awaitable<void> serve() {
    cobus::bus bus(co_await cobus::net::this_coro::executor, cobus::settings());
    auto charging = bus.on<payment>(
        cobus::handler("charge").retry(cobus::retry_policy().attempts(3).backoff(5ms, 50ms)),
        charge);
    auto letters = bus.on_any("letters", {"dlq.payments"}, [](const cobus::message& letter) {
        std::cout << "dead letter: " << letter.payload() << "\n";
    });
    co_await bus.start();
    co_await try_one(bus, "plain", 100);
    co_await try_one(bus, "busy", 100);
    co_await try_one(bus, "flaky", 100);
    co_await try_one(bus, "wrong", -5);
    co_await bus.stop();
}

int main() {
    cobus::net::io_context context;
    cobus::net::co_spawn(context, serve(), cobus::net::detached);
    context.run();
}
