#pragma once

#include "delivery.hpp"
#include "faults.hpp"
#include "troubled_bus.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

/// Part H of the conformance suite, where what is behind the transport stays, but changes, refuses
/// or is slow.
namespace cobus::testing::detail {

/// A bus whose client tries for as long as a case lasts.
[[nodiscard]] inline auto patient(world& w) -> cobus::settings {
    return w.settings().delivery_timeout(std::chrono::seconds(60));
}
/// Until all is acknowledged and was handled.
template <seen_check Check> auto all_over(troubled_bus& bus) -> net::awaitable<void> {
    co_await bus.answered();
    co_await bus.all_handled();
    Check(bus.seen(), bus.published());
}

template <seen_check Check> auto c71_leaders_move(world& w) -> net::awaitable<void> {
    const std::size_t third = w.choose(1000, 200);
    const std::string topic = w.notes();
    troubled_bus bus(w, patient(w));
    co_await bus->start();
    bus.publish_at_once(third);
    co_await bus.answered();
    for (int times = 0; times < 2; ++times) {
        bus.publish_at_once(third / 2);
        w.fixture().move_leaders(topic);
        bus.publish_at_once(third / 2);
    }
    co_await all_over<Check>(bus);
    co_await bus->stop();
}

template <seen_check Check> auto c72_coordinator_moves(world& w) -> net::awaitable<void> {
    const std::size_t half = w.choose(500, 100);
    w.notes();
    {
        troubled_bus bus(w, patient(w));
        co_await bus->start();
        bus.publish_at_once(half);
        co_await w.eventually([&] { return !bus.seen().empty(); }, "the first event");
        w.fixture().move_coordinator(bus.group());
        bus.publish_at_once(half);
        co_await all_over<Check>(bus);
        co_await bus->stop();
    }
    crashing_bus next(w, nothing, nothing);
    co_await next->start();
    co_await publish_notes(*next, "k", 2 * half, 1);
    co_await w.eventually([&] { return next.numbers().contains(2 * half); }, "the next one");
    co_await next->stop();
    expect_equal(next.seen().size(), std::size_t{1}, "events left after a stop in good order");
}

template <seen_check Check> auto c73_requests_are_refused(world& w) -> net::awaitable<void> {
    const std::size_t some = w.choose(500, 100);
    w.notes();
    troubled_bus bus(w, patient(w));
    w.fixture().refuse(request::join);
    co_await bus->start();
    for (const request each : {request::publish, request::fetch, request::commit}) {
        w.fixture().refuse(each);
        bus.publish_at_once(some);
        co_await bus.answered();
    }
    co_await all_over<Check>(bus);
    co_await bus->stop();
    crashing_bus next(w, nothing, nothing);
    co_await next->start();
    co_await publish_notes(*next, "k", 3 * some, 1);
    co_await w.eventually([&] { return next.numbers().contains(3 * some); }, "the next one");
    co_await next->stop();
    expect_equal(next.seen().size(), std::size_t{1}, "events left, though commits were refused");
}

/// Slow is not away.
template <seen_check Check> auto c74_answers_are_slow(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(200, 50);
    w.notes();
    w.fixture().answer_after(std::chrono::milliseconds(500));
    troubled_bus bus(w, patient(w));
    co_await bus->start();
    bus.publish_at_once(count);
    co_await all_over<Check>(bus);
    w.fixture().answer_after(std::chrono::milliseconds(0));
    co_await bus->stop();
    const std::vector<state> all = bus.states();
    expect(std::find(all.begin(), all.end(), state::degraded) == all.end(),
           "what is slow is not away");
}

[[nodiscard]] inline auto cluster_fault_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    const std::vector<capability t::*> faults{&t::cluster_faults};
    const std::vector<capability t::*> kept{&t::durable, &t::cluster_faults};
    const std::vector<capability t::*> exact{&t::exact_publish, &t::cluster_faults};
    const std::vector<capability t::*> kept_exact{&t::exact_publish, &t::durable,
                                                  &t::cluster_faults};
    return {
        {"C71", "nothing is lost when partitions get other leaders", c71_leaders_move<expect_all>,
         faults},
        {"C71.exact", "nothing is repeated nor out of order when partitions get other leaders",
         c71_leaders_move<expect_in_place>, exact},
        {"C72", "commits hold when the group gets another coordinator",
         c72_coordinator_moves<expect_all>, kept},
        {"C72.exact",
         "nothing is repeated nor out of order when the group gets another coordinator",
         c72_coordinator_moves<expect_in_place>, kept_exact},
        {"C73", "joining, publishing, fetching and committing that are refused are tried again",
         c73_requests_are_refused<expect_all>, kept},
        {"C73.exact", "what is refused and tried again is neither repeated nor out of order",
         c73_requests_are_refused<expect_in_place>, kept_exact},
        {"C74", "slow is not away", c74_answers_are_slow<expect_all>, faults},
        {"C74.exact", "what is slow is neither repeated nor out of order",
         c74_answers_are_slow<expect_in_place>, exact},
    };
}

} // namespace cobus::testing::detail
