#pragma once

#include "faults.hpp"
#include "order.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
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

/// A bus that goes on while what is behind it is away, with a reader of its own group.
class resilient_bus {
public:
    explicit resilient_bus(world& w)
        : world_(&w),
          seen_(&w.new_journal<seen_note>()),
          ended_(&w.new_journal<published_note>()),
          states_(&w.new_journal<state>()) {
        cobus::settings how = w.settings();
        how.when_away(policy::deliver_and_spool)
            .decision_time(std::chrono::milliseconds(1500))
            .on_state([states = states_](const health& now) { states->add(now.what); });
        bus_ = w.make_bus(std::move(how));
        reader_ = bus_->on<note>(handler("reader"), [seen = seen_](const note& event, context& in) {
            seen->add(seen_note::of(event, in));
        });
    }
    [[nodiscard]] auto operator->() const noexcept -> bus* { return bus_.get(); }
    [[nodiscard]] auto seen() const -> std::vector<seen_note> { return seen_->all(); }
    [[nodiscard]] auto states() const -> std::vector<state> { return states_->all(); }
    [[nodiscard]] auto published() const noexcept -> std::uint64_t { return next_; }

    /// So many more, each answered: whether kept for later, or there.
    auto publish(std::size_t count) -> net::awaitable<std::size_t> {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const note event = make_note(std::to_string(next_ % 8), next_);
            ++next_;
            const receipt where = co_await bus_->publish(event);
            kept += where.spooled() ? 1U : 0U;
        }
        co_return kept;
    }
    /// So many more, nobody waits.
    void publish_at_once(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i, ++next_) {
            ++at_once_;
            publish_noted(*bus_, make_note(std::to_string(next_ % 8), next_), *ended_);
        }
    }
    auto answered() -> net::awaitable<void> {
        co_await world_->eventually([this] { return ended_->size() >= at_once_; },
                                    "the answers of publishes that were under way");
        for (const published_note& each : ended_->all()) {
            expect_equal(each.ec, std::error_code(), "a publish that was under way");
        }
    }
    auto all_handled() -> net::awaitable<void> {
        return world_->eventually([this] { return numbers_of(seen_->all()).size() >= next_; },
                                  "all events at the publisher's own handler");
    }

private:
    world* world_;
    journal<seen_note>* seen_;
    journal<published_note>* ended_;
    journal<state>* states_;
    std::uint64_t next_ = 0;
    std::size_t at_once_ = 0;
    std::unique_ptr<bus> bus_;
    subscription reader_;
};

inline auto c76_publishes_in_an_outage(world& w) -> net::awaitable<void> {
    const std::size_t some = w.choose(300, 60);
    w.notes();
    resilient_bus here(w);
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
    resilient_bus here(w);
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
