#pragma once

#include "delivery.hpp"
#include "faults.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

/// Part H of the conformance suite, where what is behind the transport stays, but changes, refuses
/// or is slow.
namespace cobus::testing::detail {

/// A bus that publishes to itself, while something happens behind it.
class troubled_bus {
public:
    explicit troubled_bus(world& w)
        : world_(&w),
          seen_(&w.new_journal<seen_note>()),
          ended_(&w.new_journal<published_note>()),
          states_(&w.new_journal<state>()) {
        cobus::settings how = w.settings();
        how.delivery_timeout(std::chrono::seconds(60))
            .on_state([states = states_](const health& now) { states->add(now.what); });
        group_ = how.group_id();
        bus_ = w.make_bus(std::move(how));
        reader_ = bus_->on<note>(handler("reader"), [seen = seen_](const note& event, context& in) {
            seen->add(seen_note::of(event, in));
        });
    }

    [[nodiscard]] auto group() const noexcept -> const std::string& { return group_; }
    [[nodiscard]] auto seen() const noexcept -> journal<seen_note>& { return *seen_; }
    [[nodiscard]] auto went_through(state what) const -> bool {
        return states_->count([what](state each) { return each == what; }) > 0;
    }
    auto start() -> net::awaitable<void> { return bus_->start(); }
    auto stop() -> net::awaitable<void> { co_await bus_->stop(); }
    /// So many more, of sixteen keys.
    void publish(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            publish_noted(*bus_, make_note(std::to_string(next_ % 16), next_), *ended_);
            ++next_;
        }
    }
    /// Until all is acknowledged.
    auto acknowledged() -> net::awaitable<void> {
        return world_->eventually([this] { return ended_->size() >= next_; },
                                  "the end of each publish");
    }
    /// Until all is acknowledged and was handled; each in its place.
    auto over() -> net::awaitable<void> {
        co_await acknowledged();
        for (const published_note& each : ended_->all()) {
            expect_equal(each.ec, std::error_code(), "a publish");
        }
        co_await world_->eventually([this] { return numbers_of(seen_->all()).size() >= next_; },
                                    "all events");
        expect_equal(ended_->size(), next_, "each is told once");
        expect_all(seen_->all(), next_, world_->traits().exact_publish.there());
    }

private:
    world* world_;
    journal<seen_note>* seen_;
    journal<published_note>* ended_;
    journal<state>* states_;
    std::string group_;
    std::size_t next_ = 0;
    std::unique_ptr<bus> bus_;
    subscription reader_;
};

inline auto c71_leaders_move(world& w) -> net::awaitable<void> {
    const std::size_t third = w.choose(1000, 200);
    const std::string topic = w.notes();
    troubled_bus bus(w);
    co_await bus.start();
    bus.publish(third);
    co_await bus.acknowledged();
    for (int times = 0; times < 2; ++times) {
        bus.publish(third / 2);
        w.fixture().move_leaders(topic);
        bus.publish(third / 2);
    }
    co_await bus.over();
    co_await bus.stop();
}

inline auto c72_coordinator_moves(world& w) -> net::awaitable<void> {
    const std::size_t half = w.choose(500, 100);
    w.notes();
    {
        troubled_bus bus(w);
        co_await bus.start();
        bus.publish(half);
        co_await w.eventually([&] { return !bus.seen().all().empty(); }, "the first event");
        w.fixture().move_coordinator(bus.group());
        bus.publish(half);
        co_await bus.over();
        co_await bus.stop();
    }
    crashing_bus next(w, nothing, nothing);
    co_await next->start();
    co_await publish_notes(*next, "k", 2 * half, 1);
    co_await w.eventually([&] { return next.numbers().contains(2 * half); }, "the next one");
    co_await next->stop();
    expect_equal(next.seen().size(), std::size_t{1}, "events left after a stop in good order");
}

inline auto c73_requests_are_refused(world& w) -> net::awaitable<void> {
    const std::size_t some = w.choose(500, 100);
    w.notes();
    troubled_bus bus(w);
    w.fixture().refuse(request::join);
    co_await bus.start();
    for (const request each : {request::publish, request::fetch, request::commit}) {
        w.fixture().refuse(each);
        bus.publish(some);
        co_await bus.acknowledged();
    }
    co_await bus.over();
    co_await bus.stop();
    crashing_bus next(w, nothing, nothing);
    co_await next->start();
    co_await publish_notes(*next, "k", 3 * some, 1);
    co_await w.eventually([&] { return next.numbers().contains(3 * some); }, "the next one");
    co_await next->stop();
    expect_equal(next.seen().size(), std::size_t{1}, "events left, though commits were refused");
}

/// Slow is not away.
inline auto c74_answers_are_slow(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(200, 50);
    w.notes();
    w.fixture().answer_after(std::chrono::milliseconds(500));
    troubled_bus bus(w);
    co_await bus.start();
    bus.publish(count);
    co_await bus.over();
    w.fixture().answer_after(std::chrono::milliseconds(0));
    co_await bus.stop();
    expect(!bus.went_through(state::degraded), "what is slow is not away");
}

[[nodiscard]] inline auto cluster_fault_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    return {
        {"C71",
         "nothing is lost when partitions get other leaders",
         c71_leaders_move,
         {&t::cluster_faults}},
        {"C72",
         "commits hold when the group gets another coordinator",
         c72_coordinator_moves,
         {&t::durable, &t::cluster_faults}},
        {"C73",
         "joining, publishing, fetching and committing that are refused are tried again",
         c73_requests_are_refused,
         {&t::durable, &t::cluster_faults}},
        {"C74", "slow is not away", c74_answers_are_slow, {&t::cluster_faults}},
    };
}

} // namespace cobus::testing::detail
