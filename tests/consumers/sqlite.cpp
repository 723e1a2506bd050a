// The core with a deduplication store in a file: the second copy is not handled.
#include <cobus/cobus.hpp>
#include <cobus/sqlite.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>

struct greeting {
    std::string text;
};

template <> struct cobus::contract<greeting> {
    static constexpr std::string_view type = "greeting", topic = "greetings";
};

asio::awaitable<void> converse(std::string file) {
    cobus::bus bus(co_await asio::this_coro::executor, cobus::settings());
    auto store = std::make_shared<cobus::sqlite_deduplication>(file);
    auto listener = bus.on<greeting>(cobus::handler("listener").deduplicate(store),
                                     [](const greeting& heard) { std::puts(heard.text.c_str()); });
    co_await bus.start();
    greeting said{"greeting"};
    const auto named = cobus::with().id("one");
    co_await bus.publish(said, named);
    co_await bus.publish(said, named);
    co_await bus.stop();
}

int main() {
    const auto file = std::filesystem::current_path() / "greetings.db";
    asio::io_context context;
    asio::co_spawn(context, converse(file.string()), [](std::exception_ptr problem) {
        if (problem) {
            std::rethrow_exception(problem);
        }
    });
    context.run();
    for (const char* part : {"", "-wal", "-shm"}) {
        std::filesystem::remove(file.string() + part);
    }
}
