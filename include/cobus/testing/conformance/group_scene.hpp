#pragma once

#include "gauge.hpp"
#include "order.hpp"
#include "publishing_tools.hpp"
#include "tampering.hpp"
#include "world.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cobus::testing::detail {

/// What a member of a group handled, and when.
struct member_note {
    std::size_t member = 0;
    seen_note seen;
    std::chrono::steady_clock::time_point at;
};

/// Members of one group, and a bus beside them that publishes to all partitions in turn. The key of
/// an event is its partition's number.
class group_scene {
public:
    using work = std::function<net::awaitable<void>(std::uint64_t)>;
    static constexpr std::size_t concurrency = 16; ///< of each member

    explicit group_scene(world& w, std::size_t partitions = 8)
        : world_(&w),
          partitions_(partitions),
          seen_(&w.new_journal<member_note>()),
          published_(&w.new_journal<published_note>()),
          over_(&w.new_journal<bool>()),
          meddling_(&w.make<tampering>(w.changed())) {
        topic_ = w.notes(static_cast<int>(partitions));
        writer_ = w.make_bus(settings("writer"));
    }

    [[nodiscard]] auto settings(std::string_view group = "one") -> cobus::settings {
        cobus::settings how = world_->settings(group);
        how.partitions(partitions_);
        return how;
    }
    auto start() -> net::awaitable<void> { return writer_->start(); }

    /// Another member; what it gets is written down before its handler works on it.
    auto join(work what = work(), std::string_view group = "one") -> std::size_t {
        cobus::settings how = settings(group);
        how.drain_limit(drain_limit);
        return join_with(std::move(how), std::move(what));
    }
    [[nodiscard]] auto member(std::size_t which) -> bus& { return *members_[which].carrier; }
    void crash(std::size_t which) { members_[which].carrier.reset(); }
    /// Stops whoever is still there.
    auto stop() -> net::awaitable<void> {
        for (one& each : members_) {
            if (each.carrier) {
                co_await each.carrier->stop();
            }
        }
        co_await writer_->stop();
    }

    [[nodiscard]] auto topic() const noexcept -> const std::string& { return topic_; }
    [[nodiscard]] auto meddling() noexcept -> tampering& { return *meddling_; }
    [[nodiscard]] auto seen() const noexcept -> journal<member_note>& { return *seen_; }
    [[nodiscard]] auto published() const noexcept -> std::uint64_t { return next_; }
    /// So long a member may work on events of a partition that goes.
    std::chrono::milliseconds drain_limit{10'000};

    /// One event to each partition, and waits for the acknowledgements.
    auto round() -> net::awaitable<void> {
        for (std::size_t i = 0; i < partitions_; ++i) {
            const auto partition = static_cast<std::int32_t>(i);
            const note event = make_note(std::to_string(partition), next_++);
            writer_->publish(
                event, with().partition(partition),
                [to = published_, number = event.number](std::error_code ec, const receipt&) {
                    published_note entry;
                    entry.number = number;
                    entry.ec = ec;
                    to->add(std::move(entry));
                });
        }
        co_await world_->eventually([this] { return published_->size() >= next_; },
                                    "the acknowledgements");
        for (const published_note& each : published_->last(partitions_)) {
            expect_equal(each.ec, std::error_code(), "a publish");
        }
    }
    auto rounds(std::size_t count) -> net::awaitable<void> {
        for (std::size_t i = 0; i < count; ++i) {
            co_await round();
        }
    }
    /// Rounds without end, until `end_load`.
    void begin_load() {
        loading_.store(true);
        loads_ = over_->size() + 1;
        net::co_spawn(world_->executor(), load(), net::detached);
    }
    auto end_load() -> net::awaitable<void> {
        loading_.store(false);
        co_await world_->eventually([this] { return over_->size() >= loads_; }, "the load to end");
    }

    /// Waits until each number was handled by somebody.
    auto all_handled() -> net::awaitable<void> {
        return world_->eventually([this] { return distinct() >= next_; },
                                  "every event to be handled");
    }
    /// Publishes rounds until each of the members gets something of one.
    template <class... Numbers> auto shared_by(Numbers... members) -> net::awaitable<void> {
        const std::set<std::size_t> wanted{members...};
        for (;;) {
            const std::uint64_t first = next_;
            co_await round();
            co_await all_handled();
            if (of_round(first) == wanted) {
                break;
            }
            co_await world_->settle();
        }
    }
    /// The partitions that a member got events of, from a number on.
    [[nodiscard]] auto partitions_of(std::size_t member, std::uint64_t from) const
        -> std::set<std::int32_t> {
        std::set<std::int32_t> all;
        for (const member_note& each : seen_->all()) {
            if (each.member == member && each.seen.event.number >= from) {
                all.insert(place_of(each));
            }
        }
        return all;
    }
    [[nodiscard]] static auto place_of(const member_note& each) -> std::int32_t {
        return static_cast<std::int32_t>(std::stoi(each.seen.event.key));
    }
    [[nodiscard]] auto distinct() const -> std::size_t {
        std::set<std::uint64_t> numbers;
        for (const member_note& each : seen_->all()) {
            numbers.insert(each.seen.event.number);
        }
        return numbers.size();
    }
    [[nodiscard]] auto repeats() const -> std::size_t { return seen_->size() - distinct(); }
    [[nodiscard]] auto times(std::uint64_t number) const -> std::size_t {
        return seen_->count(
            [number](const member_note& each) { return each.seen.event.number == number; });
    }

    void expect_nothing_lost() const {
        expect_equal(distinct(), static_cast<std::size_t>(next_), "different events");
        std::vector<seen_note> all;
        for (const member_note& each : seen_->all()) {
            all.push_back(each.seen);
        }
        expect_order_per_key(all);
        expect_equal(meddling_->stray_commits(), std::size_t{0},
                     "commits for partitions that were not assigned");
    }
    void expect_few_repeats(std::size_t most) const {
        expect(repeats() <= most, std::to_string(repeats()) + " events came twice, of " +
                                      std::to_string(next_) + "; at most " + std::to_string(most) +
                                      " were being handled");
    }

private:
    struct one {
        std::unique_ptr<bus> carrier;
        subscription reader;
    };

    auto join_with(cobus::settings how, work what) -> std::size_t {
        const std::size_t number = members_.size();
        one& made = members_.emplace_back();
        made.carrier = world_->make_bus(std::move(how), *meddling_);
        made.reader =
            made.carrier->on<note>(handler("reader").concurrency(concurrency),
                                   [number, seen = seen_, what = std::move(what)](
                                       const note& event, context& where) -> net::awaitable<void> {
                                       member_note entry;
                                       entry.member = number;
                                       entry.seen = seen_note::of(event, where);
                                       entry.at = std::chrono::steady_clock::now();
                                       const std::uint64_t which = event.number;
                                       seen->add(std::move(entry));
                                       if (what) {
                                           co_await what(which);
                                       } else {
                                           co_await net::post(net::use_awaitable);
                                       }
                                   });
        made.carrier->start([](std::error_code) {});
        return number;
    }
    [[nodiscard]] auto of_round(std::uint64_t first) const -> std::set<std::size_t> {
        std::set<std::size_t> members;
        for (const member_note& each : seen_->all()) {
            if (each.seen.event.number >= first) {
                members.insert(each.member);
            }
        }
        return members;
    }
    auto load() -> net::awaitable<void> {
        while (loading_.load()) {
            co_await round();
            co_await world_->pass_time(std::chrono::milliseconds(5));
        }
        over_->add(true);
    }

    world* world_;
    std::size_t partitions_;
    journal<member_note>* seen_;
    journal<published_note>* published_;
    journal<bool>* over_;
    tampering* meddling_;
    std::string topic_;
    std::unique_ptr<bus> writer_;
    std::deque<one> members_;
    std::atomic<bool> loading_{false};
    std::size_t loads_ = 0;
    std::uint64_t next_ = 0;
};

} // namespace cobus::testing::detail
