#include <cobus/detail/murmur2.hpp>

#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <string>

TEST_CASE("A key lands in the partition that librdkafka's murmur2_random gives it") {
    std::string key;
    for (unsigned i = 0; i < 2000; ++i) {
        key.assign(1, static_cast<char>(i)).append(std::to_string(i * 2654435761U));
        key.resize(1 + i % 13, '\xe9');
        for (const std::int32_t partitions : {1, 3, 4, 12, 100}) {
            const std::int32_t expected = rd_kafka_msg_partitioner_murmur2_random(
                nullptr, key.data(), key.size(), partitions, nullptr, nullptr);
            CHECK(static_cast<std::int32_t>(cobus::detail::partition_of(
                      key, static_cast<std::uint32_t>(partitions))) == expected);
        }
    }
}
