#include "kafka_server.hpp"
#include "plain_client.hpp"
#include "run.hpp"
#include "sanitizer.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

// What a bus costs that has nothing to do.

namespace {

struct rare {
    std::string key;
};

} // namespace

template <> struct cobus::contract<rare> {
    static constexpr std::string_view type = "rare", topic = "rare";
    static constexpr auto key = &rare::key;
    static constexpr auto fields = cobus::fields(field("key", &rare::key));
    using codec = cobus::json_codec;
};

namespace {

using namespace std::chrono_literals;
using cobus::test::run;
using cobus::test::until;
namespace net = cobus::net;

constexpr std::size_t of_the_sanitizer = cobus::test::thread_sanitizer ? 1 : 0;

/// The names of this process's threads but librdkafka's.
auto our_threads() -> std::vector<std::string> {
    std::vector<std::string> names;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string name;
        std::getline(std::ifstream(task.path() / "comm"), name);
        if (!name.starts_with("rdk:")) {
            names.push_back(name);
        }
    }
    return names;
}

/// How often the calling thread has gone to sleep, and so was woken.
auto sleeps() -> long {
    rusage used{};
    ::getrusage(RUSAGE_THREAD, &used);
    return used.ru_nvcsw;
}
/// Of the whole process.
auto cpu_time() -> std::chrono::microseconds {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto of = [](const timeval& time) {
        return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
    };
    return of(used.ru_utime) + of(used.ru_stime);
}

auto how(const std::string& topic) -> cobus::settings {
    cobus::settings made;
    made.kafka(true)
        .brokers(cobus::test::kafka_brokers())
        .client_id("quiet")
        .group_id(topic)
        .topic("rare", topic)
        .logger(cobus::logger());
    return made;
}

} // namespace

TEST_CASE("a bus over Kafka that has nothing to do wakes once a second and has no thread of ours") {
    const std::string topic = "quiet." + std::to_string(::getpid());
    cobus::test::plain_create_topic(cobus::test::kafka_brokers(), topic, 4);
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        const std::size_t before = our_threads().size();
        CHECK(before == 1 + of_the_sanitizer);
        cobus::bus bus(context.get_executor(), how(topic), cobus::kafka());
        int handled = 0;
        auto reader = bus.on<rare>("reader", [&handled](const rare&) { ++handled; });
        co_await bus.start();
        rare event{"k"};
        CHECK((co_await bus.publish(event)).way() == cobus::path::kafka);
        co_await until([&handled] { return handled == 1; });
        net::steady_timer pause(context, 3s); // what joining, committing and watching left behind
        co_await pause.async_wait(net::use_awaitable);

        constexpr std::chrono::seconds length(10);
        const long first = sleeps();
        const auto used = cpu_time();
        pause.expires_after(length);
        co_await pause.async_wait(net::use_awaitable);
        const long woken = sleeps() - first;
        const std::chrono::duration<double> cpu = cpu_time() - used;
        const double percent = cpu.count() / std::chrono::duration<double>(length).count() * 100;
        std::printf("idle and connected for 10 s: woken %ld times, CPU of the process with "
                    "librdkafka's threads %.2f %%\n",
                    woken, percent);
        // One keep-alive a second, and this test's own timer. A poll every 100 ms would make 100.
        CHECK(woken >= 10);
        CHECK(woken <= 16); // the look for silence each two seconds rings with the keep-alive
        CHECK(percent < 2);

        CHECK(our_threads().size() == before); // the helper has gone again
        co_await bus.stop();
    });
    // The helper for calls that may block has taken the clients down.
    CHECK(our_threads().size() <= 2 + of_the_sanitizer);
}
