#pragma once

#include "child_process.hpp"
#include "free_ports.hpp"
#include "source_folder.hpp"
#include "temporary_folder.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cobus::test {

struct kafka_options {
    int brokers = 1;
    /// Broker properties, such as "auto.create.topics.enable=false".
    std::vector<std::string> properties;
    /// Names of more listeners, such as "SASL_SSL".
    std::vector<std::string> listeners = {};
};

/// A real Kafka on ports of its own, with its data in a folder of its own: both stay the same when
/// it is killed and restarted. Gone with this object, and with the test when that crashes.
/// Brokers count from 1; without a number, an operation means all of them.
class kafka_server {
public:
    explicit kafka_server(kafka_options options = {}) : options_(std::move(options)) { restart(); }

    /// One for all cases of a test executable; a case that broke it has to restart it.
    [[nodiscard]] static auto shared() -> kafka_server& {
        static kafka_server server;
        return server;
    }

    /// As for bootstrap.servers.
    [[nodiscard]] auto brokers() const -> std::string {
        std::string list;
        for (int broker = 1; broker <= options_.brokers; ++broker)
            list += (list.empty() ? "" : ",") + address(broker);
        return list;
    }

    [[nodiscard]] auto address(int broker) const -> std::string {
        return "127.0.0.1:" + std::to_string(port_ + broker - 1);
    }

    /// Of one of the further listeners, as for bootstrap.servers.
    [[nodiscard]] auto brokers(const std::string& listener) const -> std::string {
        const auto found = std::ranges::find(options_.listeners, listener);
        const auto place = static_cast<int>(found - options_.listeners.begin());
        std::string list;
        for (int broker = 1; broker <= options_.brokers; ++broker)
            list += (list.empty() ? "" : ",") + address((place + 2) * options_.brokers + broker);
        return list;
    }

    /// Where a broker keeps its partitions, one folder for each.
    [[nodiscard]] auto data(int broker = 1) const -> std::filesystem::path {
        return folder_.path() / ("node-" + std::to_string(broker)) / "data";
    }

    /// As by a crash: nothing is flushed, no client is told.
    void kill() { end_each(SIGKILL); }
    void kill(int broker) { end(broker, SIGKILL); }

    /// As by an operator: clients see connections closed after leadership has moved.
    void stop() { end_each(SIGTERM); }
    void stop(int broker) { end(broker, SIGTERM); }

    /// Connections stay open and nothing answers.
    void freeze() {
        for (int broker = 1; broker <= options_.brokers; ++broker)
            freeze(broker);
    }
    void freeze(int broker) { process(broker).freeze(); }
    void thaw() { signal_each(SIGCONT); }
    void thaw(int broker) { process(broker).signal(SIGCONT); }

    /// Starts what does not run and returns when it answers.
    void restart() {
        for (int broker = 1; broker <= options_.brokers; ++broker)
            launch(broker);
        for (int broker = 1; broker <= options_.brokers; ++broker)
            await_answer(broker);
    }
    void restart(int broker) {
        launch(broker);
        await_answer(broker);
    }

    /// What broker wrote, for the message of a failed test.
    [[nodiscard]] auto log(int broker = 1) const -> std::string {
        std::ifstream file(folder_.path() / ("node-" + std::to_string(broker)) / "kafka.log");
        return {std::istreambuf_iterator<char>(file), {}};
    }

private:
    struct node {
        std::unique_ptr<child_process> process;
        bool answered = false;
    };

    void launch(int broker) {
        node& place = nodes_.at(index(broker));
        if (place.process)
            return;
        const auto script = source_folder() / "tools/kafka";
        std::vector<std::string> arguments{script,      "run",
                                           "--dir",     folder_.path(),
                                           "--port",    std::to_string(port_),
                                           "--brokers", std::to_string(options_.brokers),
                                           "--node",    std::to_string(broker)};
        for (const std::string& listener : options_.listeners)
            arguments.insert(arguments.end(), {"--listener", listener});
        for (const std::string& property : options_.properties)
            arguments.insert(arguments.end(), {"--property", property});
        place.process = std::make_unique<child_process>(arguments);
        place.answered = false;
    }

    void await_answer(int broker) {
        node& place = nodes_.at(index(broker));
        if (place.answered)
            return;
        place.answered = place.process->read_line(std::chrono::minutes{2}).has_value();
        if (!place.answered) {
            place.process.reset();
            throw std::runtime_error("kafka does not start: " + log(broker));
        }
    }

    void end(int broker, int signal) {
        node& place = nodes_.at(index(broker));
        if (!place.process)
            return;
        place.process->signal(signal);
        place.process->signal(SIGCONT); // a frozen one would not see the end coming
        place.process->wait(std::chrono::seconds{30});
        place.process.reset();
    }

    void end_each(int signal) {
        for (int broker = 1; broker <= options_.brokers; ++broker)
            if (nodes_.at(index(broker)).process)
                nodes_.at(index(broker)).process->signal(signal);
        for (int broker = 1; broker <= options_.brokers; ++broker)
            end(broker, signal);
    }

    void signal_each(int signal) {
        for (int broker = 1; broker <= options_.brokers; ++broker)
            process(broker).signal(signal);
    }

    [[nodiscard]] auto process(int broker) -> child_process& {
        node& place = nodes_.at(index(broker));
        if (!place.process)
            throw std::logic_error("this broker does not run");
        return *place.process;
    }

    [[nodiscard]] static auto index(int broker) -> std::size_t {
        return static_cast<std::size_t>(broker - 1);
    }

    kafka_options options_;
    std::uint16_t port_ =
        free_ports((2 + static_cast<int>(options_.listeners.size())) * options_.brokers);
    temporary_folder folder_;
    std::vector<node> nodes_ = std::vector<node>(static_cast<std::size_t>(options_.brokers));
};

/// For tests that only need some Kafka: the one that COBUS_TEST_KAFKA names, else the shared
/// server.
[[nodiscard]] inline auto kafka_brokers() -> std::string {
    const char* given = std::getenv("COBUS_TEST_KAFKA");
    return given != nullptr && *given != '\0' ? given : kafka_server::shared().brokers();
}

} // namespace cobus::test
