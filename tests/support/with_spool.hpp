#pragma once

#include <cobus/kafka.hpp>
#include <cobus/testing.hpp>
#include <cobus/transport/failover.hpp>
#include <cobus/transport/memory.hpp>

namespace cobus::test {

/// What a fixture of Kafka has, and this process with a spool while Kafka is away.
template <class Fixture> struct with_spool : Fixture {
    static constexpr auto traits = [] {
        auto made = Fixture::traits;
        made.keeps_for_later = testing::capability();
        return made;
    }();

    [[nodiscard]] static auto transport() -> transport_factory {
        return with_fallback(kafka(), memory(), false);
    }
};

} // namespace cobus::test
