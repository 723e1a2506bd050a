#include <cobus/dispatch/retry.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <stdexcept>

using cobus::retry_policy;
using namespace std::chrono_literals;

TEST_CASE("the ceiling of the wait doubles with each try up to the longest") {
    const auto policy = retry_policy().backoff(100ms, 1s);
    CHECK(policy.wait(1, 100) == 100ms); // random % (ceiling + 1)
    CHECK(policy.wait(2, 200) == 200ms);
    CHECK(policy.wait(3, 400) == 400ms);
    CHECK(policy.wait(4, 800) == 800ms);
    CHECK(policy.wait(5, 1000) == 1000ms);
    CHECK(policy.wait(1000, 1000) == 1000ms);
}

TEST_CASE("jitter is full: any wait from nothing to the ceiling") {
    const auto policy = retry_policy().backoff(100ms, 1s);
    CHECK(policy.wait(1, 0) == 0ms);
    CHECK(policy.wait(1, 57) == 57ms);
    CHECK(policy.wait(1, 101) == 0ms);
    for (std::uint64_t random = 0; random < 5000; ++random) {
        CHECK(policy.wait(9, random * 2654435761U) <= 1s);
    }
}

TEST_CASE("attempts count the first try and are at least one") {
    CHECK(retry_policy().attempts(3).exhausted(3));
    CHECK_FALSE(retry_policy().attempts(3).exhausted(2));
    CHECK(retry_policy().attempts(0).exhausted(1));
}

TEST_CASE("exceptions can be classed as not worth retrying") {
    const auto policy = retry_policy().when([](const std::exception_ptr& thrown) {
        try {
            std::rethrow_exception(thrown);
        } catch (const std::invalid_argument&) {
            return false;
        } catch (...) {
            return true;
        }
    });
    CHECK_FALSE(policy.worth_retrying(std::make_exception_ptr(std::invalid_argument("no"))));
    CHECK(policy.worth_retrying(std::make_exception_ptr(std::runtime_error("later"))));
    CHECK(policy.worth_retrying(nullptr)); // an outcome, not an exception
}

TEST_CASE("tries can be limited in time, measured from the first failure") {
    CHECK_FALSE(retry_policy().too_late(24h));
    const auto policy = retry_policy().within(10min);
    CHECK_FALSE(policy.too_late(10min));
    CHECK(policy.too_late(10min + 1ms));
    CHECK(retry_policy().within(0ms).too_late(1ms));
}
