#include <cobus/middleware/rate_limit.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

using cobus::rate_limit;
using cobus::detail::token_bucket;
using namespace std::chrono_literals;

namespace {

const token_bucket::time_point bucket_start{1h};

/// When each of `count` would run that all come at `bucket_start`.
auto bucket_times(token_bucket& bucket, std::size_t count)
    -> std::vector<std::chrono::nanoseconds> {
    std::vector<std::chrono::nanoseconds> all;
    auto now = bucket_start;
    for (std::size_t i = 0; i < count; ++i) {
        now = (std::max)(now, bucket.opens());
        bucket.take(1, now);
        all.push_back(now - bucket_start);
    }
    return all;
}

} // namespace

TEST_CASE("the first runs at once, the others evenly") {
    token_bucket bucket(rate_limit(10, 1s));
    CHECK(bucket_times(bucket, 4) ==
          std::vector<std::chrono::nanoseconds>{0ms, 100ms, 200ms, 300ms});
}

TEST_CASE("a burst runs at once after a pause, and no more than it") {
    token_bucket bucket(rate_limit(10, 1s).burst(3));
    CHECK(bucket_times(bucket, 5) ==
          std::vector<std::chrono::nanoseconds>{0ms, 0ms, 0ms, 100ms, 200ms});
    CHECK(bucket.opens() == bucket_start + 300ms);
    bucket.take(1, bucket_start + 10min); // a long pause saves up no more than the burst
    bucket.take(1, bucket_start + 10min);
    bucket.take(1, bucket_start + 10min);
    CHECK(bucket.opens() == bucket_start + 10min + 100ms);
}

TEST_CASE("no window of any length has more than its share and the burst") {
    token_bucket bucket(rate_limit(3, 1s).burst(2));
    const auto all = bucket_times(bucket, 100);
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (std::size_t j = i; j < all.size(); ++j) {
            const auto allowed = 2 + (all[j] - all[i]) * 3 / 1s;
            CHECK(static_cast<std::int64_t>(j - i + 1) <= allowed);
        }
    }
}

TEST_CASE("a batch larger than the burst runs, and is paid off by waiting") {
    token_bucket bucket(rate_limit(100, 1s));
    CHECK(bucket.opens() <= bucket_start);
    bucket.take(50, bucket_start);
    CHECK(bucket.opens() == bucket_start + 500ms);
}

TEST_CASE("a fast rate has a burst of ten milliseconds, a slow one of one event") {
    CHECK(rate_limit(10'000, 1s).burst() == 100);
    CHECK(rate_limit(1, 1min).burst() == 1);
}

TEST_CASE("rates that cannot be are made possible") {
    CHECK(rate_limit(0, 1s).interval() == 1s);
    CHECK(rate_limit(10, 0s).interval() == 1ns);
    CHECK(rate_limit(~std::uint64_t{0}, 1s).interval() == 1ns);
    CHECK(rate_limit(1, std::chrono::hours(1000)).interval() == 24h);
    token_bucket bucket(rate_limit(1, 24h).burst(~std::uint64_t{0}));
    CHECK(bucket.opens() <= bucket_start);
    bucket.take(1, bucket_start);
    CHECK(bucket.opens() <= bucket_start);
}
