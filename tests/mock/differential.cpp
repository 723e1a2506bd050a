#include "mock_cluster.hpp"

#include <cobus/kafka.hpp>
#include <cobus/testing.hpp>
#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <map>
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

// Random scripts on memory, where what handlers see must be what the script says, and some of them
// on Kafka's mock cluster too, where it must not differ. COBUS_DIFFERENTIAL_MEMORY and
// COBUS_DIFFERENTIAL are their numbers, COBUS_DIFFERENTIAL_SEED the first one's seed.
namespace {

using namespace cobus::testing;
namespace net = cobus::net;

enum class op : unsigned char { publish, fail, crash, join, leave };
constexpr std::array<const char*, 5> op_names{"publish", "fail", "crash", "join", "leave"};
constexpr std::size_t most_members = 3;

struct step {
    op what = op::publish;
    std::string key;
    std::size_t member = 0; ///< of those that are there, which one leaves
};

/// What happens, from a seed, and how often each step came in which state: how many members there
/// are, and what came before.
class script {
public:
    using matrix = std::map<std::array<std::size_t, 3>, std::size_t>;

    explicit script(std::uint32_t seed) : random_(seed) {
        std::size_t members = 1;
        op before = op::join;
        for (int i = 0; i < 12; ++i) {
            step made;
            made.what = choose(members);
            made.key = "key-" + std::to_string(random_() % 4);
            made.member = random_() % members;
            ++covered_[{static_cast<std::size_t>(made.what), members,
                        static_cast<std::size_t>(before)}];
            members += made.what == op::join ? 1U : 0U;
            members -= made.what == op::leave || (made.what == op::crash && members > 1) ? 1U : 0U;
            before = made.what;
            steps_.push_back(std::move(made));
        }
    }
    [[nodiscard]] auto steps() const noexcept -> const std::vector<step>& { return steps_; }
    [[nodiscard]] auto covered() const noexcept -> const matrix& { return covered_; }

private:
    [[nodiscard]] auto choose(std::size_t members) -> op {
        for (;;) {
            constexpr std::array<op, 10> bag{op::publish, op::publish, op::publish, op::fail,
                                             op::fail,    op::crash,   op::crash,   op::join,
                                             op::join,    op::leave};
            const op one = bag[random_() % bag.size()];
            if ((one != op::join || members < most_members) && (one != op::leave || members > 1)) {
                return one;
            }
        }
    }

    std::mt19937 random_;
    std::vector<step> steps_;
    matrix covered_;
};

/// What was observed: of each key the numbers in the order of their first delivery, and each number
/// with each attempt.
struct observed {
    std::map<std::string, std::vector<std::uint64_t>> order;
    std::set<std::pair<std::uint64_t, unsigned>> tries;
};

/// What must be observed: each key's events in their order, one that fails a second time, one whose
/// handler crashed once more as if for the first time.
[[nodiscard]] auto expected(const script& what) -> observed {
    observed made;
    std::uint64_t number = 0;
    for (const step& each : what.steps()) {
        if (each.what == op::join || each.what == op::leave) {
            continue;
        }
        made.order[each.key].push_back(++number);
        made.tries.emplace(number, 1);
        if (each.what == op::fail) {
            made.tries.emplace(number, 2);
        }
    }
    return made;
}

/// Runs one script.
class player {
public:
    explicit player(world& w)
        : world_(&w),
          settling_(w.traits().member_silence / 2),
          seen_(&w.new_journal<seen_note>()),
          closed_(&w.new_gate()) {
        w.notes(4); // so that each of three members gets something, and says so
        writer_ = w.make_bus(settings("writer"));
    }

    auto play(const script& what) -> net::awaitable<void> {
        co_await writer_->start();
        join();
        co_await members_.back()->reader.ready();
        for (const step& each : what.steps()) {
            co_await play_one(each);
        }
        for (const auto& each : members_) {
            co_await each->carrier->stop();
        }
        co_await writer_->stop();
    }
    [[nodiscard]] auto result() const -> observed {
        observed made;
        for (const seen_note& each : seen_->all()) {
            auto& numbers = made.order[each.event.key];
            if (std::find(numbers.begin(), numbers.end(), each.event.number) == numbers.end()) {
                numbers.push_back(each.event.number);
            }
            made.tries.emplace(each.event.number, each.attempt);
        }
        return made;
    }

private:
    struct member {
        std::unique_ptr<cobus::bus> carrier;
        cobus::subscription reader;
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
        made->reader = made->carrier->on<note>(
            cobus::handler("reader").retry(cobus::retry_policy().attempts(100).backoff(
                std::chrono::milliseconds(1), std::chrono::milliseconds(5))),
            [this, own = std::weak_ptr<member>(made)](
                const note& event, cobus::context& where) -> net::awaitable<void> {
                const std::uint64_t number = event.number;
                const unsigned attempt = where.attempt();
                const bool first = times(number) == 0;
                const auto self = own.lock();
                if (self && first && held_.load() == number) {
                    self->holds.store(true);
                }
                seen_->add(seen_note::of(event, where));
                if (failing_.load() == number && attempt == 1) {
                    throw std::runtime_error("the first time");
                }
                if (first && held_.load() == number) {
                    co_await closed_->pass();
                }
            });
        made->carrier->start([](std::error_code) {});
        members_.push_back(std::move(made));
    }
    auto play_one(const step& what) -> net::awaitable<void> {
        switch (what.what) {
        case op::join:
            join();
            co_await members_.back()->reader.ready();
            co_await world_->pass_time(settling_);
            co_return;
        case op::leave: {
            const std::shared_ptr<member> gone = members_[what.member];
            std::erase(members_, gone);
            co_await gone->carrier->stop();
            co_await world_->pass_time(settling_);
            co_return;
        }
        default:
            break;
        }
        const note event = make_note(what.key, ++last_);
        (what.what == op::fail ? failing_ : held_).store(what.what == op::publish ? 0 : last_);
        co_await writer_->publish(event);
        if (what.what == op::crash) {
            co_await world_->eventually([this] { return holder() != nullptr; }, "a run to crash");
            const std::shared_ptr<member> gone = holder();
            std::erase(members_, gone);
            gone->carrier.reset();
            if (members_.empty()) {
                join();
                co_await members_.back()->reader.ready();
            }
        }
        const std::size_t wanted = what.what == op::publish ? 1 : 2;
        co_await world_->eventually([this, wanted] { return times(last_) >= wanted; },
                                    "an event to be handled");
    }
    [[nodiscard]] auto holder() const -> std::shared_ptr<member> {
        const auto found = std::find_if(members_.begin(), members_.end(),
                                        [](const auto& each) { return each->holds.load(); });
        return found != members_.end() ? *found : nullptr;
    }
    [[nodiscard]] auto times(std::uint64_t number) const -> std::size_t {
        return seen_->count(
            [number](const seen_note& each) { return each.event.number == number; });
    }

    world* world_;
    /// The group is left alone so long when somebody joined or left: forming anew takes its time.
    std::chrono::milliseconds settling_;
    journal<seen_note>* seen_;
    gate* closed_;
    std::unique_ptr<cobus::bus> writer_;
    std::vector<std::shared_ptr<member>> members_;
    std::atomic<std::uint64_t> failing_{0};
    std::atomic<std::uint64_t> held_{0};
    std::uint64_t last_ = 0;
};

/// What the body of a case, which is a plain function, plays.
thread_local const script* playing = nullptr;
thread_local observed outcome_of_it;

auto play_in(world& w, const script* what, observed* into) -> net::awaitable<void> {
    player it(w);
    co_await it.play(*what);
    *into = it.result();
}
/// Called on the thread that runs the case; what it returns is not.
auto play(world& w) -> net::awaitable<void> { return play_in(w, playing, &outcome_of_it); }

template <class Fixture> auto run(const script& what) -> observed {
    playing = &what;
    environment_of<Fixture> where;
    world made(where, case_size::normal, false);
    const run_options how;
    detail::case_run one(made, how);
    one(&play);
    return std::exchange(outcome_of_it, observed());
}

struct memory_side {
    static constexpr transport_traits traits{.offset_gaps = without("not needed"),
                                             .growing_topics = without("not needed"),
                                             .fault_injection = without("not needed"),
                                             .restartable = without("not needed"),
                                             .cluster_faults = without("not needed"),
                                             .keeps_for_later = without("not needed")};
    [[nodiscard]] auto transport() const -> cobus::transport_factory {
        return cobus::memory(broker);
    }
    std::shared_ptr<cobus::memory_broker> broker = std::make_shared<cobus::memory_broker>();
};

struct mock_side {
    static constexpr transport_traits traits = [] {
        transport_traits made = memory_side::traits;
        made.member_silence = std::chrono::milliseconds(3000);
        return made;
    }();

    [[nodiscard]] static auto transport() -> cobus::transport_factory { return cobus::kafka(); }
    void configure(cobus::settings& how) const {
        how.kafka(true)
            .brokers(cluster.brokers())
            .property("fetch.wait.max.ms", "10")
            .property("session.timeout.ms", "3000")
            .property("heartbeat.interval.ms", "500");
    }
    void create_topic(const std::string& name, int partitions) {
        cluster.create_topic(name, partitions);
    }
    cobus::test::mock_cluster cluster{1};
};

auto number(const char* variable, std::uint32_t otherwise) -> std::uint32_t {
    const char* const text = std::getenv(variable);
    return text != nullptr ? static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10))
                           : otherwise;
}

void print(const script::matrix& covered) {
    std::printf("steps by members and by the step before:\n%-10s%-9s", "", "members");
    for (const char* before : op_names) {
        std::printf("%9s", before);
    }
    for (std::size_t what = 0; what < op_names.size(); ++what) {
        for (std::size_t members = 1; members <= most_members; ++members) {
            std::printf("\n%-10s%-9zu", op_names[what], members);
            for (std::size_t before = 0; before < op_names.size(); ++before) {
                const auto found = covered.find({what, members, before});
                std::printf("%9zu", found != covered.end() ? found->second : 0);
            }
        }
    }
    std::printf("\n");
}

/// Plays many scripts, some at the same time; `judge` says what is wrong with one.
template <class Judge> void play_all(std::uint32_t scripts, std::uint32_t at_once, Judge judge) {
    const std::uint32_t seed = number("COBUS_DIFFERENTIAL_SEED", std::random_device()());
    std::printf("%u scripts from seed %u on\n", scripts, seed);
    std::atomic<std::uint32_t> next{0};
    std::mutex guard;
    script::matrix covered;
    std::vector<std::string> problems;
    {
        std::vector<std::jthread> all;
        for (std::uint32_t i = 0; i < at_once; ++i) {
            all.emplace_back([&] {
                for (std::uint32_t at = next++; at < scripts; at = next++) {
                    const script what(seed + at);
                    std::string problem;
                    try {
                        problem = judge(what);
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
            });
        }
    }
    print(covered);
    for (const std::string& each : problems) {
        CHECK_MESSAGE(each.empty(), each);
    }
    CHECK(problems.empty());
}

auto difference(const observed& one, const observed& other) -> std::string {
    return one.order != other.order   ? "the order differs"
           : one.tries != other.tries ? "the tries differ"
                                      : "";
}

} // namespace

TEST_CASE("handlers on memory see what a script says, whatever happens") {
    const std::uint32_t scripts = number("COBUS_DIFFERENTIAL_MEMORY", 3000);
    play_all(scripts, 8,
             [](const script& what) { return difference(run<memory_side>(what), expected(what)); });
}

TEST_CASE("handlers see the same on memory and on Kafka, whatever happens") {
    const std::uint32_t scripts = number("COBUS_DIFFERENTIAL", 16);
    play_all(scripts, 16,
             [](const script& what) { return difference(run<mock_side>(what), expected(what)); });
}
