#pragma once

#include "faults.hpp"
#include "order.hpp"
#include "troubled_bus.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// Part H of the conformance suite, of a transport that keeps for what is behind it what is
/// published while that is away.
namespace cobus::testing::detail {

/// The same states, each once in a row.
[[nodiscard]] inline auto names_of(std::vector<state> all) -> std::string {
    all.erase(std::unique(all.begin(), all.end()), all.end());
    std::string text;
    for (const state each : all) {
        text.append(text.empty() ? "" : " ").append(to_string(each));
    }
    return text;
}

[[nodiscard]] inline auto resilient(world& w) -> cobus::settings {
    return w.settings()
        .when_away(policy::deliver_and_spool)
        .decision_time(std::chrono::milliseconds(1500));
}

inline auto c76_publishes_in_an_outage(world& w) -> net::awaitable<void> {
    const std::size_t some = w.choose(300, 60);
    w.notes();
    troubled_bus here(w, resilient(w));
    co_await here->start();
    co_await here->until(state::connected);
    const std::size_t before = co_await here.publish(some);
    expect_equal(before, std::size_t{0}, "kept while connected");
    here.publish_at_once(some);
    w.fixture().down();
    here.publish_at_once(some);
    co_await here->until(state::degraded);
    const std::size_t meanwhile = co_await here.publish(some);
    expect_equal(meanwhile, some, "kept while away");
    co_await here.answered();
    w.fixture().up();
    co_await here->until(state::connected);
    expect_equal(here->left().messages, std::uint64_t{0}, "left when it is connected again");
    co_await here.publish(some);
    co_await here.all_handled();

    auto& elsewhere = w.new_journal<seen_note>();
    const auto other = w.make_bus("two");
    auto reader = other->on<note>(handler("reader"), [&](const note& event, context& in) {
        elsewhere.add(seen_note::of(event, in));
    });
    co_await other->start();
    co_await w.eventually([&] { return numbers_of(elsewhere.all()).size() >= here.published(); },
                          "all events at another group");
    co_await other->stop();
    co_await here->stop();
    expect_order_per_key(here.seen());
    expect_order_per_key(elsewhere.all());
}

inline auto c77_states(world& w) -> net::awaitable<void> {
    w.notes();
    troubled_bus here(w, resilient(w));
    co_await here->start();
    co_await here->until(state::connected);
    co_await here.publish(8);
    w.fixture().down();
    co_await here->until(state::degraded);
    co_await here.publish(8);
    const health away = here->health();
    expect(away.what == state::degraded, "it says that it is degraded");
    expect(!away.why.empty(), "and why");
    expect_equal(away.kept.messages, std::uint64_t{8}, "and how much is kept");
    w.fixture().up();
    co_await here->until(state::connected);
    co_await here.all_handled();
    co_await here->stop();
    std::vector<state> all = here.states();
    const auto first = std::find(all.begin(), all.end(), state::connected);
    expect(first != all.end(), "it was connected");
    all.erase(all.begin(), first);
    expect_equal(names_of(all), std::string("connected degraded recovering connected"),
                 "the states that it went through");
}

[[nodiscard]] inline auto outage_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    return {
        {"C76",
         "what is published in an outage is handled here, and is behind the transport afterwards, "
         "in order",
         c76_publishes_in_an_outage,
         {&t::groups, &t::replay, &t::several_instances, &t::restartable, &t::keeps_for_later}},
        {"C77",
         "the bus says in which state it is, in order",
         c77_states,
         {&t::restartable, &t::keeps_for_later}},
    };
}

} // namespace cobus::testing::detail
