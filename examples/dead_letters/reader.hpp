#pragma once

#include "letter.hpp"

#include <cobus/settings.hpp>

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dead_letters {

/// Reads topics from their beginning to what is their end now, as a bus has no reason to: without a
/// group, so that nothing is committed. Blocking. Throws `std::runtime_error` when Kafka does not
/// answer within 30 s.
class reader {
public:
    explicit reader(const cobus::settings& how);

    /// All dead letter topics.
    [[nodiscard]] auto topics() -> std::vector<std::string>;
    /// Calls `take` with each message, in order within a partition.
    void read(const std::string& topic, const std::function<void(letter)>& take);
    /// One message, or nothing when it is not there any more.
    [[nodiscard]] auto read_one(const place& where) -> std::optional<letter>;

private:
    struct stretch {
        std::int32_t partition;
        std::int64_t next, end;
    };
    struct destroy_client {
        void operator()(rd_kafka_t* client) const noexcept { rd_kafka_destroy(client); }
    };

    [[nodiscard]] auto stretches(const std::string& topic) -> std::vector<stretch>;
    void read(const std::string& topic, std::vector<stretch> all,
              const std::function<void(letter)>& take);

    std::unique_ptr<rd_kafka_t, destroy_client> client_;
};

} // namespace dead_letters
