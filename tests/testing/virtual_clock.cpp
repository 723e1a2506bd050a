#include "events.hpp"
#include "quiet.hpp"

#include <cobus/cobus.hpp>
#include <cobus/testing/virtual_clock.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

using cobus::testing::virtual_clock;
using namespace std::chrono_literals;
namespace net = cobus::net;

TEST_CASE("a virtual clock stands still until it is moved") {
    const auto clock = virtual_clock::make();
    const auto before = clock->now();
    const auto wall = clock->wall();
    CHECK(clock->now() == before);
    clock->advance_to(before + 2h);
    CHECK(clock->now() == before + 2h);
    CHECK(clock->wall() == wall + 2h);
    CHECK(clock->passed() == 2h);
    clock->advance_to(before + 1h);
    CHECK(clock->now() == before + 2h); // never back
}

TEST_CASE("its time of day can be said") {
    using namespace std::chrono;
    const auto clock = virtual_clock::make();
    clock->advance_to(clock->now() + 5min);
    clock->set_wall(sys_days{2026y / November / 21} + 12h);
    CHECK(clock->wall() == sys_days{2026y / November / 21} + 12h);
    clock->advance_to(clock->now() + 1h);
    CHECK(clock->wall() == sys_days{2026y / November / 21} + 13h);
}

TEST_CASE("bells ring in the order of their times, each at its time") {
    const auto clock = virtual_clock::make();
    const auto start = clock->now();
    std::vector<std::string> rung;
    const auto late = clock->make_bell();
    const auto soon = clock->make_bell();
    const auto never = clock->make_bell();
    late->set(start + 2h, [&] {
        CHECK(clock->now() == start + 2h);
        rung.emplace_back("late");
    });
    soon->set(start + 1h, [&] {
        CHECK(clock->now() == start + 1h);
        rung.emplace_back("soon");
        soon->set(start + 90min, [&] { rung.emplace_back("again"); });
    });
    never->set(start + 1h, [&] { rung.emplace_back("never"); });
    never->cancel();
    CHECK(clock->next() == start + 1h);
    clock->advance_to(start + 3h);
    CHECK(rung == std::vector<std::string>{"soon", "again", "late"});
    CHECK(clock->next() == (virtual_clock::clock::time_point::max)());
}

TEST_CASE("a destroyed bell does not ring") {
    const auto clock = virtual_clock::make();
    int rung = 0;
    clock->make_bell()->set(clock->now() + 1h, [&] { ++rung; });
    clock->advance_to(clock->now() + 2h);
    CHECK(rung == 0);
}

TEST_CASE("a sleeping coroutine goes on when the clock has been moved, or is cancelled") {
    const auto clock = virtual_clock::make();
    net::io_context context;
    std::vector<std::string> said;
    net::cancellation_signal signal;
    const auto sleeper = [](virtual_clock& on, std::vector<std::string>& into,
                            std::string name) -> net::awaitable<void> {
        try {
            co_await on.sleep(24h);
            into.push_back(name + " woke");
        } catch (const std::system_error& cancelled) {
            CHECK(cancelled.code() == net::error::operation_aborted);
            into.push_back(name + " was cancelled");
        }
    };
    net::co_spawn(context, sleeper(*clock, said, "one"), net::detached);
    net::co_spawn(context, sleeper(*clock, said, "two"),
                  net::bind_cancellation_slot(signal.slot(), net::detached));
    context.poll();
    CHECK(said.empty());
    signal.emit(net::cancellation_type::terminal);
    context.poll();
    CHECK(said == std::vector<std::string>{"two was cancelled"});
    clock->advance_to(clock->now() + 24h);
    context.poll();
    CHECK(said == std::vector<std::string>{"two was cancelled", "one woke"});
}

TEST_CASE("a bus on a virtual clock retries after hours that take no time") {
    const auto clock = virtual_clock::make();
    net::io_context context;
    cobus::settings how = cobus::test::quiet();
    how.time(clock);
    cobus::bus bus(context.get_executor(), how);
    int tries = 0;
    auto failing = bus.on<cobus::test::tick>("failing", [&](const cobus::test::tick&) {
        return ++tries < 3 ? cobus::outcome::retry_after(6h) : cobus::outcome::done();
    });
    bus.start(net::detached);
    context.poll();
    CHECK(!bus.try_publish(cobus::test::tick{"k", 1}));
    context.poll();
    CHECK(tries == 1);
    clock->advance_to(clock->now() + 6h - 1ms);
    context.poll();
    CHECK(tries == 1);
    clock->advance_to(clock->now() + 1ms);
    context.poll();
    CHECK(tries == 2);
    clock->advance_to(clock->now() + 6h);
    context.poll();
    CHECK(tries == 3);
}
