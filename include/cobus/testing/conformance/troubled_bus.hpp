#pragma once

#include "../../bus.hpp"
#include "publishing_tools.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::testing::detail {

/// A bus that publishes to its own reader while something happens behind it, and writes down the
/// states that it goes through.
class troubled_bus {
public:
    troubled_bus(world& w, cobus::settings how)
        : world_(&w),
          seen_(&w.new_journal<seen_note>()),
          ended_(&w.new_journal<published_note>()),
          states_(&w.new_journal<state>()),
          group_(how.group_id()) {
        how.on_state([states = states_](const health& now) { states->add(now.what); });
        bus_ = w.make_bus(std::move(how));
        reader_ = bus_->on<note>(handler("reader"), [seen = seen_](const note& event, context& in) {
            seen->add(seen_note::of(event, in));
        });
    }
    [[nodiscard]] auto operator->() const noexcept -> bus* { return bus_.get(); }
    [[nodiscard]] auto group() const noexcept -> const std::string& { return group_; }
    [[nodiscard]] auto seen() const -> std::vector<seen_note> { return seen_->all(); }
    [[nodiscard]] auto states() const -> std::vector<state> { return states_->all(); }
    [[nodiscard]] auto published() const noexcept -> std::size_t { return next_; }

    /// So many more, each answered. Returns how many of them are kept for later.
    auto publish(std::size_t count) -> net::awaitable<std::size_t> {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const note event = next();
            const receipt where = co_await bus_->publish(event);
            kept += where.spooled() ? 1U : 0U;
        }
        co_return kept;
    }
    /// So many more, for whose answers nobody waits yet.
    void publish_at_once(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            ++at_once_;
            publish_noted(*bus_, next(), *ended_);
        }
    }
    /// Until each of those is answered, and well.
    auto answered() -> net::awaitable<void> {
        co_await world_->eventually([this] { return ended_->size() >= at_once_; },
                                    "the end of each publish");
        for (const published_note& each : ended_->all()) {
            expect_equal(each.ec, std::error_code(), "a publish");
        }
    }
    auto all_handled() -> net::awaitable<void> {
        co_await world_->eventually([this] { return numbers_of(seen_->all()).size() >= next_; },
                                    "all events at the publisher's own handler");
        expect_equal(ended_->size(), at_once_, "each is told once");
    }

private:
    static constexpr std::uint64_t keys = 8;

    [[nodiscard]] auto next() -> note {
        note made = make_note(std::to_string(next_ % keys), next_);
        ++next_;
        return made;
    }

    world* world_;
    journal<seen_note>* seen_;
    journal<published_note>* ended_;
    journal<state>* states_;
    std::string group_;
    std::uint64_t next_ = 0;
    std::size_t at_once_ = 0;
    std::unique_ptr<bus> bus_;
    subscription reader_;
};

} // namespace cobus::testing::detail
