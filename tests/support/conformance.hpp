#pragma once

#include <cobus/testing.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace cobus::test {

struct conformance_run {
    std::size_t threads = 1; ///< that run the context of a case
    std::size_t at_once = 1; ///< cases, when they share nothing and mostly wait
    std::string_view only{}; ///< how the ids of those begin that are run
};

namespace conformance_detail {

[[nodiscard]] inline auto variable(const char* name) -> std::string_view {
    const char* const value = std::getenv(name);
    return value != nullptr ? value : "";
}

/// Whether `id` begins as one of those in `wanted`, which are divided by commas.
[[nodiscard]] inline auto asked_for(std::string_view id, std::string_view wanted) -> bool {
    for (;;) {
        const std::size_t comma = wanted.find(',');
        if (id.starts_with(wanted.substr(0, comma))) {
            return true;
        }
        if (comma == std::string_view::npos) {
            return false;
        }
        wanted.remove_prefix(comma + 1);
    }
}

struct result {
    std::string problem;
    double seconds = 0;
};

inline auto run_one(const testing::conformance_case& which, const testing::run_options& how)
    -> result {
    result made;
    const auto before = std::chrono::steady_clock::now();
    try {
        which.run(how);
    } catch (const std::exception& e) {
        made.problem = e.what();
    }
    made.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    return made;
}

} // namespace conformance_detail

/// Runs each case of the suite; what is skipped is said on a line of its own.
/// COBUS_CONFORMANCE=brief makes the cases as small as they can be, COBUS_CONFORMANCE_ONLY=C2,C30
/// runs those whose ids begin so, COBUS_CONFORMANCE_TIMES=1 says how long each took.
template <class Fixture> void run_conformance(conformance_run how = {}) {
    using namespace conformance_detail;
    testing::run_options options;
    options.threads = how.threads;
    options.size = variable("COBUS_CONFORMANCE") == "brief" ? testing::case_size::brief
                                                            : testing::case_size::normal;
    std::vector<testing::conformance_case> wanted;
    for (testing::conformance_case& each : testing::conformance<Fixture>()) {
        if (!each.id.starts_with(how.only)) {
            continue;
        }
        if (!each.skip.empty()) {
            std::printf("SKIP %s %s, because %s\n", std::string(each.id).c_str(),
                        std::string(each.sentence).c_str(), each.skip.c_str());
        } else if (asked_for(each.id, variable("COBUS_CONFORMANCE_ONLY"))) {
            wanted.push_back(std::move(each));
        }
    }
    std::vector<result> results(wanted.size());
    std::atomic<std::size_t> next{0};
    {
        std::vector<std::jthread> all;
        for (std::size_t i = 0; i < how.at_once; ++i) {
            all.emplace_back([&] {
                for (std::size_t at = next++; at < wanted.size(); at = next++) {
                    results[at] = run_one(wanted[at], options);
                }
            });
        }
    }
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const std::string name = std::string(wanted[i].id) + " " + std::string(wanted[i].sentence);
        if (!variable("COBUS_CONFORMANCE_TIMES").empty()) {
            std::printf("%6.1f s %s\n", results[i].seconds, name.c_str());
        }
        CHECK_MESSAGE(results[i].problem.empty(), name, "\n    ", results[i].problem);
    }
}

} // namespace cobus::test
