#pragma once

#include "child_process.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <sys/wait.h>
#include <vector>

namespace cobus::test {

/// What a program prints, and its exit code.
struct printed {
    std::string text;
    int code = -1;

    [[nodiscard]] auto has(const std::string& part) const -> bool {
        return text.find(part) != std::string::npos;
    }
};

/// Runs a program to its end.
[[nodiscard]] inline auto run_program(const std::vector<std::string>& arguments) -> printed {
    child_process child(arguments);
    printed out;
    while (const auto line = child.read_line(std::chrono::seconds(60))) {
        out.text.append(*line).append("\n");
    }
    REQUIRE(child.wait(std::chrono::seconds(30)));
    CHECK(WIFEXITED(child.status()));
    out.code = WEXITSTATUS(child.status());
    return out;
}

} // namespace cobus::test
