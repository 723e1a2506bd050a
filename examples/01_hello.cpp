// 01 Hello: an event, its contract, one handler, one publish. Everything stays in this process, so
// there is nothing to install, start or configure.
#include <cobus/cobus.hpp>

#include <iostream>
#include <string>
#include <string_view>

struct user_registered {
    std::string user_id, email;
};

// The contract says what the event is called and on which topic it travels.
template <> struct cobus::contract<user_registered> {
    static constexpr std::string_view type = "user.registered", topic = "user.events";
};

cobus::net::awaitable<void> serve() {
    cobus::bus bus(co_await cobus::net::this_coro::executor, cobus::settings());

    // Handlers have a name: it stands in logs, retries and dead letters. The subscription ends the
    // handler when it goes out of scope.
    auto welcome = bus.on<user_registered>("welcome-mail", [](const user_registered& user) {
        std::cout << "welcome " << user.email << "\n";
    });
    co_await bus.start();

    user_registered ada{"u-1", "ada@example.org"};
    const cobus::receipt receipt = co_await bus.publish(ada); // where the event went
    std::cout << "published to " << receipt.topic() << " by way of " << to_string(receipt.way())
              << "\n";

    user_registered grace{"u-2", "grace@example.org"};
    co_await bus.call(grace); // publishes, and waits until all handlers are done

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
