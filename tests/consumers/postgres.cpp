// The core with an outbox in PostgreSQL, which is away: the service runs, what it cannot write
// fails, and the relay waits.
#include <cobus/cobus.hpp>
#include <cobus/postgres.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>

#include <cstdio>
#include <exception>
#include <string>

struct words {
    static constexpr std::string_view content_type = "text/plain";
    template <class E> static cobus::codec_result encode(const E& from, std::string& to) {
        to += from.text;
        return {};
    }
    template <class E> static cobus::codec_result decode(std::string_view from, E& to) {
        to.text = from;
        return {};
    }
};

struct greeting {
    std::string text;
};

template <> struct cobus::contract<greeting> {
    static constexpr std::string_view type = "greeting", topic = "greetings";
    static constexpr bool outbox = true;
    using codec = words;
};

asio::awaitable<void> converse(asio::thread_pool& blocking) {
    const std::string nowhere = "host=/nowhere";
    cobus::settings how;
    how.logger(cobus::logger());
    cobus::bus bus(co_await asio::this_coro::executor, how);
    co_await bus.start();
    cobus::outbox outbox(bus, cobus::postgres_outbox(nowhere), blocking.get_executor());
    outbox.start();
    PGconn* connection = PQconnectdb(nowhere.c_str());
    try {
        greeting said{"greeting"};
        outbox.add(connection, said);
    } catch (const cobus::error& refused) {
        std::puts(refused.code() == cobus::errc::unavailable ? "greeting" : "?");
    }
    PQfinish(connection);
    co_await outbox.stop();
    co_await bus.stop();
}

int main() {
    asio::thread_pool blocking(1);
    asio::io_context context;
    asio::co_spawn(context, converse(blocking), [](std::exception_ptr problem) {
        if (problem) {
            std::rethrow_exception(problem);
        }
    });
    context.run();
}
