#pragma once

#include <cobus/testing.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

namespace cobus::test {

/// Runs each case of the suite as a subcase; what is skipped is said on a line of its own.
/// COBUS_CONFORMANCE=brief makes the cases as small as they can be, COBUS_CONFORMANCE_TIMES says
/// how long each took.
template <class Fixture> void run_conformance(std::size_t threads = 1) {
    const char* const size = std::getenv("COBUS_CONFORMANCE");
    testing::run_options how;
    how.threads = threads;
    how.size = size != nullptr && std::string_view(size) == "brief" ? testing::case_size::brief
                                                                    : testing::case_size::normal;
    for (const testing::conformance_case& each : testing::conformance<Fixture>()) {
        const std::string name = std::string(each.id) + ": " + std::string(each.sentence);
        SUBCASE(name.c_str()) {
            if (!each.skip.empty()) {
                std::printf("SKIP %s, because %s\n", name.c_str(), each.skip.c_str());
                CHECK_FALSE(each.skip.empty());
                continue;
            }
            try {
                const auto before = std::chrono::steady_clock::now();
                each.run(how);
                if (std::getenv("COBUS_CONFORMANCE_TIMES") != nullptr) {
                    const std::chrono::duration<double> took =
                        std::chrono::steady_clock::now() - before;
                    std::printf("%.1f s %s\n", took.count(), name.c_str());
                }
            } catch (const std::exception& e) {
                FAIL_CHECK(std::string(e.what()));
            }
        }
    }
}

} // namespace cobus::test
