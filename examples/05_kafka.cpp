// 05 Kafka: the same program, unchanged, in memory without any setting, over Kafka with
//     KAFKA_ENABLED=true KAFKA_BROKERS=localhost:9092
// and through a broker's death and return: stop the broker while this runs, and start it again.
#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>

#include <asio/steady_timer.hpp>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>

using namespace std::chrono_literals;

struct heartbeat {
    std::string host;
    int number = 0;
    std::chrono::sys_time<std::chrono::milliseconds> at;
};

template <> struct cobus::contract<heartbeat> {
    static constexpr std::string_view type = "heartbeat", topic = "heartbeats", version = "1.0";
    static constexpr auto key = &heartbeat::host;
    static constexpr auto fields =
        cobus::fields(field("host", &heartbeat::host), field("number", &heartbeat::number),
                      field("at", &heartbeat::at));
    // While Kafka is away, the event is kept for it, and handlers of this process get it now; that
    // is what holds unless something else is said: spool, deliver, wait or fail.
    static constexpr auto policy = cobus::policy::deliver_and_spool;
    using codec = cobus::json_codec;
};

cobus::net::awaitable<void> serve(int beats) {
    const auto executor = co_await cobus::net::this_coro::executor;
    cobus::bus bus(executor, cobus::settings::from_environment(), cobus::kafka());
    auto watching = bus.on<heartbeat>("watch", [](const heartbeat& beat, cobus::context& run) {
        std::cout << "  heard " << beat.number
                  << (run.in_process() ? " in process\n" : " from Kafka\n");
    });
    co_await bus.start(); // decides within 3 s how events travel; the log says what was decided
    asio::steady_timer pause(executor);
    for (int i = 1; i <= beats; ++i) {
        heartbeat beat{
            "here", i,
            std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now())};
        try {
            const cobus::receipt receipt = co_await bus.publish(beat);
            std::cout << "beat " << i << " by way of " << to_string(receipt.way())
                      << (receipt.degraded() ? ", Kafka is away\n" : "\n");
        } catch (const std::system_error& failed) {
            std::cout << "beat " << i << " failed: " << failed.what() << "\n";
        }
        pause.expires_after(500ms);
        co_await pause.async_wait(cobus::net::use_awaitable);
    }
    co_await bus.stop();
}

int main(int argc, char** argv) try {
    cobus::net::io_context context;
    cobus::net::co_spawn(context, serve(argc > 1 ? std::atoi(argv[1]) : 20),
                         [](std::exception_ptr failed) {
                             if (failed) {
                                 std::rethrow_exception(failed);
                             }
                         });
    context.run();
} catch (const std::exception& failed) {
    std::cerr << failed.what() << "\n"; // such as all settings that cannot work
    return 1;
}
