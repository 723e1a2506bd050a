#pragma once

#include <cobus/testing.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace cobus::test {

/// Runs each case of the suite as a subcase; what is skipped is said on a line of its own.
/// COBUS_CONFORMANCE=brief makes the cases as small as they can be.
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
                each.run(how);
            } catch (const std::exception& e) {
                FAIL_CHECK(std::string(e.what()));
            }
        }
    }
}

} // namespace cobus::test
