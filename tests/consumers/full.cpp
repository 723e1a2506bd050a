// The same with the Kafka transport, which the environment may enable, and the JSON codec.
#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>

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
    static constexpr auto fields = cobus::fields(cobus::field("text", &greeting::text));
    using codec = cobus::json_codec;
};

asio::awaitable<void> converse() {
    cobus::settings settings;
    settings.serialise();
    cobus::bus bus(co_await asio::this_coro::executor, settings, cobus::kafka());
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
