#include <cobus/detail/murmur2.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>

using cobus::detail::murmur2;
using cobus::detail::partition_of;

TEST_CASE("The hash is the one that Kafka's Java client computes") {
    // The values of Kafka's own unit test of its hash.
    CHECK(static_cast<std::int32_t>(murmur2("21")) == -973932308);
    CHECK(static_cast<std::int32_t>(murmur2("foobar")) == -790332482);
    CHECK(static_cast<std::int32_t>(murmur2("a-little-bit-long-string")) == -985981536);
    CHECK(static_cast<std::int32_t>(murmur2("a-little-bit-longer-string")) == -1486304829);
    CHECK(static_cast<std::int32_t>(murmur2("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8")) ==
          -58897971);
    CHECK(static_cast<std::int32_t>(murmur2("abc")) == 479470107);
}

TEST_CASE("Bytes above 127 count as unsigned, and an empty key has a partition too") {
    CHECK(murmur2(std::string_view("\xff\xff\xff", 3)) !=
          murmur2(std::string_view("\x7f\x7f\x7f", 3)));
    CHECK(partition_of("", 7) == partition_of(std::string(), 7));
    CHECK(partition_of("", 7) < 7);
}

TEST_CASE("A power of two as the number of partitions changes nothing but the cost") {
    for (int i = 0; i < 1000; ++i) {
        const std::string key = "user-" + std::to_string(i);
        for (const std::uint32_t count : {1U, 2U, 4U, 64U}) {
            CHECK(partition_of(key, count) == (murmur2(key) & 0x7fffffffU) % count);
        }
    }
}
