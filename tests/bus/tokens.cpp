#include "events.hpp"
#include "every_token.hpp"
#include "quiet.hpp"

#include <cobus/cobus.hpp>

#include <atomic>
#include <cstdint>
#include <string_view>

// Over Kafka: tests/mock/tokens.cpp.

TEST_CASE("every completion token works on every kind of executor") {
    using cobus::test::tick;
    using tokens = cobus::test::every_token<tick>;
    cobus::test::on_every_executor([](std::string_view name,
                                      const cobus::net::any_io_executor& executor) {
        CAPTURE(name);
        for (const tokens::entry& token : tokens::all) {
            CAPTURE(token.name);
            std::atomic<std::uint64_t> handled{0};
            cobus::bus bus(executor, cobus::test::quiet());
            auto handler = bus.on<tick>("sum", [&](const tick& event) { handled += event.number; });
            bus.start(cobus::net::use_future).get();
            tokens cases(bus, executor, tick{"k", 1}, "clock");
            (cases.*token.publish)();
            cobus::test::stop_by_callback_and_future(bus);
            CHECK(handled == 1);
        }
    });
}
