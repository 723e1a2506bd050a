#pragma once

#include "publishing_tools.hpp"
#include "runner.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Part F of the conformance suite, continued: what waits in retry topics.
namespace cobus::testing::detail {

/// Members of one group whose handler fails on the first note of the keys "a" and "c" as long as it
/// is told to.
class waiting_scene {
public:
    explicit waiting_scene(world& w)
        : world_(&w),
          handled_(&w.new_journal<seen_note>()),
          failed_(&w.new_journal<seen_note>()),
          failing_(&w.make<std::atomic<bool>>(true)) {
        w.notes(2);
    }

    auto join() -> net::awaitable<void> {
        cobus::settings how = world_->settings();
        how.partitions(2).retry_topics(std::vector<std::chrono::milliseconds>(tiers(), delay));
        members_.push_back(std::make_unique<member>());
        member& made = *members_.back();
        made.bus = world_->make_bus(std::move(how));
        made.reader =
            made.bus->on<note>(handler("patient").retry_topics().retry(retry_policy().attempts(1)),
                               [good = handled_, bad = failed_,
                                failing = failing_](const note& event, context& where) {
                                   const bool fails =
                                       event.number == 0 && (event.key == "a" || event.key == "c");
                                   if (fails && *failing) {
                                       bad->add(seen_note::of(event, where));
                                       throw std::runtime_error("not yet");
                                   }
                                   good->add(seen_note::of(event, where));
                               });
        co_await made.bus->start();
        co_await made.reader.ready();
    }
    auto leave() -> net::awaitable<void> {
        co_await members_.front()->bus->stop();
        members_.erase(members_.begin());
    }
    /// A note of each key.
    auto publish(std::uint64_t number) -> net::awaitable<void> {
        for (const std::string_view key : keys) {
            co_await publish_notes(*members_.back()->bus, std::string(key), number, 1);
        }
    }
    /// Both failing keys failed, and the others went on up to this number.
    auto others_go_on(std::uint64_t number) -> net::awaitable<void> {
        return world_->eventually(
            [this, number] {
                const auto reached = [&](std::string_view key) {
                    return handled_->count([&](const seen_note& each) {
                        return each.event.key == key && each.event.number == number;
                    }) > 0;
                };
                return reached("b") && reached("d") && failed_->size() >= 2;
            },
            "the keys that do not fail");
    }
    void mend() { *failing_ = false; }
    auto all_come(std::uint64_t count) -> net::awaitable<void> {
        return world_->eventually(
            [this, count] {
                bool all = true;
                for (const std::string_view key : keys) {
                    all = all && order_of(key).size() == count;
                }
                return all;
            },
            "all notes of all keys");
    }
    void in_order(std::uint64_t count) const {
        std::vector<std::uint64_t> wanted;
        wanted.reserve(count);
        for (std::uint64_t i = 0; i < count; ++i) {
            wanted.push_back(i);
        }
        for (const std::string_view key : keys) {
            expect(order_of(key) == wanted, "each key keeps its order: " + std::string(key));
        }
    }
    /// Of a key that fails nothing was handled.
    void nothing_passes() const {
        expect(order_of("a").empty() && order_of("c").empty(),
               "nothing passes what waits of its key");
    }
    [[nodiscard]] auto handled() const -> std::vector<seen_note> { return handled_->all(); }

private:
    static constexpr std::chrono::milliseconds delay{1500};
    static constexpr std::string_view keys[] = {"a", "b", "c", "d"};

    /// So many that nothing is given up while the group forms anew, which takes seconds where
    /// members are missed by their silence.
    [[nodiscard]] auto tiers() const noexcept -> std::size_t {
        constexpr std::chrono::milliseconds at_once{0};
        return world_->traits().member_silence == at_once ? 2 : 14;
    }

    struct member {
        std::unique_ptr<cobus::bus> bus;
        subscription reader;
    };

    /// Its numbers in the order in which they were handled first.
    [[nodiscard]] auto order_of(std::string_view key) const -> std::vector<std::uint64_t> {
        std::vector<std::uint64_t> order;
        for (const seen_note& each : handled_->all()) {
            const bool known =
                std::find(order.begin(), order.end(), each.event.number) != order.end();
            if (each.event.key == key && !known) {
                order.push_back(each.event.number);
            }
        }
        return order;
    }

    world* world_;
    journal<seen_note>* handled_;
    journal<seen_note>* failed_;
    std::atomic<bool>* failing_;
    std::vector<std::unique_ptr<member>> members_;
};

inline auto c56_followed(world& w) -> net::awaitable<void> {
    waiting_scene scene(w);
    co_await scene.join();
    co_await scene.publish(0);
    co_await scene.publish(1);
    co_await scene.others_go_on(1);
    scene.nothing_passes();
    scene.mend();
    co_await scene.publish(2);
    co_await scene.all_come(3);
    scene.in_order(3);
    for (const seen_note& each : scene.handled()) {
        const bool waited =
            each.event.number == 0 && (each.event.key == "a" || each.event.key == "c");
        expect(waited ? each.attempt > 1 : each.attempt == 1,
               "the attempts that an event knows of");
    }
    co_await scene.leave();
}

inline auto c57_over_restart(world& w) -> net::awaitable<void> {
    waiting_scene scene(w);
    co_await scene.join();
    co_await scene.publish(0);
    co_await scene.publish(1);
    co_await scene.others_go_on(1);
    co_await scene.leave();
    co_await scene.join();
    co_await scene.publish(2);
    co_await scene.others_go_on(2);
    scene.nothing_passes();
    scene.mend();
    co_await scene.all_come(3);
    scene.in_order(3);
    co_await scene.leave();
}

inline auto c58_over_rebalance(world& w) -> net::awaitable<void> {
    waiting_scene scene(w);
    co_await scene.join();
    co_await scene.publish(0);
    co_await scene.publish(1);
    co_await scene.others_go_on(1);
    co_await scene.join();
    co_await scene.publish(2);
    co_await scene.others_go_on(2);
    scene.nothing_passes();
    co_await scene.leave();
    co_await scene.publish(3);
    co_await scene.others_go_on(3);
    scene.nothing_passes();
    scene.mend();
    co_await scene.all_come(4);
    scene.in_order(4);
    co_await scene.leave();
}

[[nodiscard]] inline auto long_retry_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    return {
        {"C56",
         "what waits in a retry topic is followed by its key, and passed by others",
         c56_followed,
         {&t::ordered_per_key, &t::companions}},
        {"C57",
         "what waits in a retry topic is still followed after a restart",
         c57_over_restart,
         {&t::ordered_per_key, &t::companions, &t::durable}},
        {"C58",
         "what waits in a retry topic goes with its partition to another member",
         c58_over_rebalance,
         {&t::ordered_per_key, &t::companions, &t::groups, &t::several_instances}},
    };
}

} // namespace cobus::testing::detail
