// What a service with the core alone would write.
#include <cobus/cobus.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <cstdio>
#include <exception>
#include <string>

struct greeting {
    std::string text;
};

template <> struct cobus::contract<greeting> {
    static constexpr std::string_view type = "greeting", topic = "greetings";
};

asio::awaitable<void> converse() {
    cobus::bus bus(co_await asio::this_coro::executor, cobus::settings());
    auto listener =
        bus.on<greeting>("listener", [](const greeting& heard) { std::puts(heard.text.c_str()); });
    co_await bus.start();
    greeting said{"greeting"};
    co_await bus.call(said);
    co_await bus.stop();
}

int main() {
    asio::io_context context;
    asio::co_spawn(context, converse(), [](std::exception_ptr problem) {
        if (problem) {
            std::rethrow_exception(problem);
        }
    });
    context.run();
}
