#pragma once

#include "world.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::testing {

/// How the publish of a note ended.
struct published_note {
    std::uint64_t number = 0;
    std::error_code ec;
    receipt where;
};

[[nodiscard]] inline auto make_note(std::string key, std::uint64_t number) -> note {
    note made;
    made.key = std::move(key);
    made.number = number;
    return made;
}

/// Settings with which a publish waits for its transport, also where others keep the event.
[[nodiscard]] inline auto waiting(world& w) -> cobus::settings {
    return w.settings().when_away(policy::wait);
}

/// Publishes without waiting; the end is written down.
inline void publish_noted(bus& to, const note& event, journal<published_note>& ended) {
    to.publish(event, [&ended, number = event.number](std::error_code ec, receipt where) {
        published_note entry;
        entry.number = number;
        entry.ec = ec;
        entry.where = std::move(where);
        ended.add(std::move(entry));
    });
}

/// Publishes the numbers from `first` on, one at a time.
inline auto publish_notes(bus& to, std::string key, std::uint64_t first, std::uint64_t count)
    -> net::awaitable<void> {
    for (std::uint64_t i = 0; i < count; ++i) {
        const note event = make_note(key, first + i);
        co_await to.publish(event);
    }
}

/// The numbers of what a journal has of notes or publishes, without repetition.
[[nodiscard]] inline auto numbers_of(const std::vector<seen_note>& all) -> std::set<std::uint64_t> {
    std::set<std::uint64_t> numbers;
    for (const seen_note& each : all) {
        numbers.insert(each.event.number);
    }
    return numbers;
}
[[nodiscard]] inline auto numbers_of(const std::vector<published_note>& all)
    -> std::set<std::uint64_t> {
    std::set<std::uint64_t> numbers;
    for (const published_note& each : all) {
        numbers.insert(each.number);
    }
    return numbers;
}

/// True when no number follows a higher one.
[[nodiscard]] inline auto in_order(const std::vector<seen_note>& all) -> bool {
    for (std::size_t i = 1; i < all.size(); ++i) {
        if (all[i].event.number < all[i - 1].event.number) {
            return false;
        }
    }
    return true;
}

/// A bus that has room for few notes, and whose transport takes no more until it is let go: the
/// fixture stalls it, or its only handler holds everything up.
class narrow_bus {
public:
    static constexpr std::size_t room = 16;
    /// What a transport and a dispatcher may hold beyond that: prefetched, or on the way.
    static constexpr std::size_t slack = 1400;

    explicit narrow_bus(world& w)
        : world_(&w),
          gate_(&w.new_gate()),
          handled_(&w.new_journal<seen_note>()),
          ended_(&w.new_journal<published_note>()) {
        w.notes(1);
        cobus::settings how = waiting(w);
        how.queue(room, std::size_t{1} << 20U).retention(room).partitions(1);
        bus_ = w.make_bus(std::move(how));
        reader_ = bus_->on<note>(handler("reader").concurrency(1),
                                 [opened = gate_, seen = handled_](
                                     const note& event, context& where) -> net::awaitable<void> {
                                     co_await opened->pass();
                                     seen->add(seen_note::of(event, where));
                                 });
    }

    /// Starts it, lets one note through so that all is connected, and stalls it.
    auto start() -> net::awaitable<void> {
        co_await bus_->start();
        co_await reader_.ready();
        co_await publish_notes(*bus_, "k", 0, 1);
        world_->fixture().stall();
    }
    void let_go() {
        world_->fixture().resume();
        gate_->open();
    }

    [[nodiscard]] auto get() noexcept -> bus& { return *bus_; }
    [[nodiscard]] auto handled() noexcept -> journal<seen_note>& { return *handled_; }
    [[nodiscard]] auto ended() noexcept -> journal<published_note>& { return *ended_; }
    void publish(std::uint64_t number) { publish_noted(*bus_, make_note("k", number), *ended_); }
    void destroy() { bus_.reset(); }

private:
    world* world_;
    gate* gate_;
    journal<seen_note>* handled_;
    journal<published_note>* ended_;
    std::unique_ptr<bus> bus_;
    subscription reader_;
};

} // namespace cobus::testing
