#pragma once

#include "differential_script.hpp"

#include <cobus/testing.hpp>
#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

// Random scripts of what happens to a group. On every transport handlers must see what the script
// says; so what they see is the same on all.
namespace cobus::test::differential {

/// How a script is played.
struct pace {
    /// Zero: nothing is waited for that need not be; members come, go and crash while others still
    /// have events under way. Else each event is handled before the next step, and the group is
    /// left alone for so long when somebody came or went.
    std::chrono::milliseconds settling{0};
};

/// Runs one script.
class player {
public:
    player(testing::world& w, pace how)
        : world_(&w),
          pace_(how),
          seen_(&w.new_journal<testing::seen_note>()),
          closed_(&w.new_gate()) {
        w.notes(4); // so that each of three members gets something
        writer_ = w.make_bus(settings("writer"));
    }

    auto play(const script& what) -> net::awaitable<void> {
        const observed wanted = expected(what);
        co_await writer_->start();
        join();
        co_await members_.back()->reader.ready();
        for (const step& each : what.steps()) {
            co_await play_one(each);
        }
        co_await world_->eventually(
            [this, &wanted] { return std::ranges::includes(result().tries, wanted.tries); },
            "all events to be handled");
        for (const auto& each : members_) {
            co_await each->carrier->stop();
        }
        co_await writer_->stop();
    }
    [[nodiscard]] auto result() const -> observed {
        observed made;
        for (const testing::seen_note& each : seen_->all()) {
            made.add(each.event.key, each.event.number, each.attempt);
        }
        return made;
    }

private:
    struct member {
        std::unique_ptr<bus> carrier;
        subscription reader;
        std::atomic<bool> holds{false};
    };

    [[nodiscard]] auto settings(std::string_view group) -> cobus::settings {
        cobus::settings how = world_->settings(group);
        how.partitions(4);
        return how;
    }
    void join() {
        auto made = std::make_shared<member>();
        made->carrier = world_->make_bus(settings("one"));
        made->reader = made->carrier->on<testing::note>(
            handler("reader").retry(retry_policy().attempts(100).backoff(
                std::chrono::milliseconds(1), std::chrono::milliseconds(5))),
            [this, own = std::weak_ptr<member>(made)](const testing::note& event, context& where)
                -> net::awaitable<void> { return handle(own, event, where); });
        made->carrier->start([](std::error_code) {});
        members_.push_back(std::move(made));
    }
    auto handle(std::weak_ptr<member> own, const testing::note& event, context& where)
        -> net::awaitable<void> {
        const std::uint64_t number = event.number;
        const bool fails = where.attempt() == 1 && failing(number);
        const bool hangs = held_.load() == number && times(number) == 0;
        if (const auto self = own.lock(); self && hangs) {
            self->holds.store(true);
        }
        seen_->add(testing::seen_note::of(event, where));
        if (fails) {
            throw std::runtime_error("the first time");
        }
        if (hangs) {
            co_await closed_->pass();
        } else if (number % 2 == 0) { // so that several are under way
            co_await net::post(co_await net::this_coro::executor, net::use_awaitable);
        }
    }
    auto play_one(const step& what) -> net::awaitable<void> {
        if (what.what == op::join) {
            join();
            co_await members_.back()->reader.ready();
            co_await settle();
        } else if (what.what == op::leave) {
            const std::shared_ptr<member> gone = members_[what.member];
            std::erase(members_, gone);
            co_await gone->carrier->stop();
            co_await settle();
        } else {
            for (const std::string& key : what.keys) {
                co_await publish(what.what, key);
            }
        }
        if (what.what == op::crash) {
            co_await crash();
        }
        if (settles() && what.publishes()) {
            const std::size_t wanted = what.what == op::publish ? 1 : 2;
            co_await world_->eventually([this, wanted] { return times(last_) >= wanted; },
                                        "an event to be handled");
        }
    }
    [[nodiscard]] auto settles() const -> bool { return pace_.settling.count() != 0; }
    auto settle() -> net::awaitable<void> {
        if (settles()) {
            co_await world_->pass_time(pace_.settling);
        }
    }
    auto publish(op what, const std::string& key) -> net::awaitable<void> {
        const testing::note event = testing::make_note(key, ++last_);
        if (what == op::crash) {
            held_.store(last_);
        } else if (what == op::fail) {
            const std::lock_guard lock(guard_);
            failing_.insert(last_);
        }
        co_await writer_->publish(event);
    }
    /// The member that has the event.
    auto crash() -> net::awaitable<void> {
        co_await world_->eventually([this] { return holder() != nullptr; }, "a run to crash");
        const std::shared_ptr<member> gone = holder();
        std::erase(members_, gone);
        gone->carrier.reset();
        if (members_.empty()) {
            join();
            co_await members_.back()->reader.ready();
        }
    }
    [[nodiscard]] auto holder() const -> std::shared_ptr<member> {
        const auto found = std::find_if(members_.begin(), members_.end(),
                                        [](const auto& each) { return each->holds.load(); });
        return found != members_.end() ? *found : nullptr;
    }
    [[nodiscard]] auto failing(std::uint64_t number) const -> bool {
        const std::lock_guard lock(guard_);
        return failing_.contains(number);
    }
    [[nodiscard]] auto times(std::uint64_t number) const -> std::size_t {
        return seen_->count(
            [number](const testing::seen_note& each) { return each.event.number == number; });
    }

    testing::world* world_;
    pace pace_;
    testing::journal<testing::seen_note>* seen_;
    testing::gate* closed_;
    std::unique_ptr<bus> writer_;
    std::vector<std::shared_ptr<member>> members_;
    mutable std::mutex guard_;
    std::set<std::uint64_t> failing_;
    std::atomic<std::uint64_t> held_{0};
    std::uint64_t last_ = 0;
};

/// What the body of a case, which is a plain function, plays.
inline thread_local const script* playing = nullptr;
inline thread_local pace playing_at;
inline thread_local observed outcome_of_it;

inline auto play_in(testing::world& w, const script* what, pace how, observed* into)
    -> net::awaitable<void> {
    auto& it = w.make<player>(w, how); // handlers may outlive what fails
    co_await it.play(*what);
    *into = it.result();
}
/// Called on the thread that runs the case; what it returns is not.
inline auto play(testing::world& w) -> net::awaitable<void> {
    return play_in(w, playing, playing_at, &outcome_of_it);
}

template <class Fixture> auto run_script(const script& what, pace how) -> observed {
    playing = &what;
    playing_at = how;
    testing::environment_of<Fixture> where;
    testing::world made(where, testing::case_size::normal, false);
    testing::run_options patient;
    patient.patience = std::chrono::seconds(120);
    testing::detail::case_run one(made, patient);
    try {
        one(&play);
    } catch (const std::exception& e) {
        throw std::runtime_error(e.what() + made.last_lines());
    }
    return std::exchange(outcome_of_it, observed());
}

struct memory_side {
    static constexpr testing::transport_traits traits{
        .offset_gaps = testing::without("not needed"),
        .growing_topics = testing::without("not needed"),
        .fault_injection = testing::without("not needed"),
        .restartable = testing::without("not needed"),
        .cluster_faults = testing::without("not needed"),
        .keeps_for_later = testing::without("not needed")};
    [[nodiscard]] auto transport() const -> transport_factory { return memory(broker); }
    std::shared_ptr<memory_broker> broker = std::make_shared<memory_broker>();
};

inline auto number_of(const char* variable, std::uint32_t otherwise) -> std::uint32_t {
    const char* const text = std::getenv(variable);
    return text != nullptr ? static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10))
                           : otherwise;
}

/// Plays many scripts, some at the same time, and tells how often each step came in which state.
/// COBUS_DIFFERENTIAL_SEED is the first one's seed.
template <class Fixture>
auto play_all(std::uint32_t scripts, std::uint32_t at_once, pace how = pace()) -> script::matrix {
    const std::uint32_t seed = number_of("COBUS_DIFFERENTIAL_SEED", std::random_device()());
    std::printf("%u scripts from seed %u on\n", scripts, seed);
    std::atomic<std::uint32_t> next{0};
    std::mutex guard;
    script::matrix covered;
    std::vector<std::string> problems;
    const auto work = [&] {
        for (std::uint32_t at = next++; at < scripts; at = next++) {
            const script what(seed + at);
            std::string problem;
            try {
                problem = difference(run_script<Fixture>(what, how), expected(what));
            } catch (const std::exception& e) {
                problem = e.what();
            }
            const std::lock_guard lock(guard);
            for (const auto& [cell, count] : what.covered()) {
                covered[cell] += count;
            }
            if (!problem.empty()) {
                problems.push_back("seed " + std::to_string(seed + at) + ": " + problem);
            }
        }
    };
    {
        std::vector<std::jthread> all;
        for (std::uint32_t i = 0; i < at_once; ++i) {
            all.emplace_back(work);
        }
    }
    print(covered);
    for (const std::string& each : problems) {
        CHECK_MESSAGE(each.empty(), each);
    }
    CHECK(problems.empty());
    return covered;
}

} // namespace cobus::test::differential
