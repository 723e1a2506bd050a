#pragma once

#include <cobus/net.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace activity {

/// Each command is a coroutine that ends with the exit code of the program.
using command = cobus::net::awaitable<int>;

struct produce_options {
    std::vector<std::string> files;
    bool stop_on_error = false;
    bool handle = false;                  ///< also handle the events here and compare
    std::chrono::seconds wait_limit{300}; ///< to wait for Kafka
};
[[nodiscard]] auto produce(produce_options how) -> command;

struct consume_options {
    std::uint64_t count = 0; ///< stop after so many events; 0: go on until interrupted
};
[[nodiscard]] auto consume(consume_options how) -> command;

struct check_options {
    std::chrono::seconds limit{30};
};
[[nodiscard]] auto check(check_options how) -> command;

struct demo_options {
    std::chrono::seconds duration{30};
    std::chrono::milliseconds pause{1000}; ///< between two events
};
[[nodiscard]] auto demo(demo_options how) -> command;

} // namespace activity
