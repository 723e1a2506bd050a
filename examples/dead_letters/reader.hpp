#pragma once

#include "letter.hpp"

#include <cobus/settings.hpp>

#include <shared/kafka_client.hpp>

#include <functional>
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
    void read(const std::string& topic, std::vector<tools::stretch> all,
              const std::function<void(letter)>& take);

    tools::client_ptr client_;
};

} // namespace dead_letters
