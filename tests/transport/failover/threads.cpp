#include "failover_bench.hpp"

#include <cobus/net.hpp>

#include <asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using namespace cobus::testing;
using cobus::errc;
using cobus::policy;

namespace {

/// Runs the home on a thread of its own; each run is 200 ms later than the one before.
class hurried_runtime final : public cobus::detail::failover_runtime {
public:
    ~hurried_runtime() override { close(); }

    void open(home& who) override {
        thread_ = std::thread([this, &who] {
            for (std::unique_lock lock(guard_); !closed_;) {
                if (!woken_) {
                    news_.wait(lock);
                    continue;
                }
                woken_ = false;
                lock.unlock();
                const auto at = clock::time_point(200ms * ++ticks_);
                const bool more = who.run(at);
                lock.lock();
                woken_ = woken_ || more;
            }
        });
    }
    [[nodiscard]] auto now() const noexcept -> clock::time_point override {
        return clock::time_point(200ms * ticks_.load());
    }
    void wake() noexcept override {
        const std::lock_guard lock(guard_);
        woken_ = true;
        news_.notify_one();
    }
    void ring_at(clock::time_point due) noexcept override {
        if (due != (clock::time_point::max)()) {
            wake(); // time passes by running
        }
    }
    void close() noexcept override {
        {
            const std::lock_guard lock(guard_);
            closed_ = true;
            news_.notify_one();
        }
        if (thread_.joinable()) {
            thread_.join();
        }
    }

private:
    std::mutex guard_;
    std::condition_variable news_;
    bool woken_ = false;
    bool closed_ = false;
    std::atomic<long> ticks_{1};
    std::thread thread_;
};

std::atomic<int> early{0}; ///< publishers that were told while a transport still had the node

/// As `sent`, for completions on other threads.
struct racing final : cobus::publish_node {
    std::atomic<int> completions{0};
    std::atomic<bool> withdrawn{false};
    std::atomic<bool> parted{false}; ///< told while a transport still had it
    int number = 0;

    racing(const std::string& topic, int which, policy how) : number(which) {
        content = cobus::make_message();
        content->topic(topic);
        content->payload(std::to_string(which));
        when_away = how;
        completed = [](cobus::publish_node& node) noexcept {
            auto& self = static_cast<racing&>(node);
            self.completions.fetch_add(self.parted.exchange(false) ? 0 : 1);
        };
        answered = [](cobus::publish_node& node, cobus::early_answer&& /*what*/) noexcept {
            auto& self = static_cast<racing&>(node);
            if (self.number % 7 == 0) {
                return false; // there is no memory
            }
            self.parted.store(true);
            self.completions.fetch_add(1);
            early.fetch_add(1);
            return true;
        };
    }
};

struct telling final : cobus::operation {
    telling() {
        completed = [](cobus::operation& self) noexcept {
            auto& me = static_cast<telling&>(self);
            me.over.store(true);
            me.over.notify_all();
        };
    }
    std::atomic<bool> over{false};
};

/// Who published what, in the order in which an inner transport got it first.
class arrivals {
public:
    void operator()(cobus::publish_node& node) {
        const std::lock_guard lock(guard_);
        const std::string& topic = *node.content->interned_topic();
        const int number = std::stoi(std::string(node.content->payload()));
        int& last = last_.try_emplace(topic, -1).first->second;
        if (number <= last && topic != may_repeat) {
            ++reordered;
        }
        last = std::max(last, number);
        ++count;
    }
    std::string may_repeat; ///< a topic
    std::atomic<int> reordered{0};
    std::atomic<int> count{0};

private:
    std::mutex guard_;
    std::map<std::string, int> last_;
};

/// What one publisher does with its nodes: publishes each, and takes back one in so many.
void publish_some(cobus::failover& to, std::deque<racing>& nodes, std::size_t first,
                  std::size_t end, std::size_t withdraws, std::size_t yields) {
    for (std::size_t i = first; i < end; ++i) {
        if (to.publish(nodes[i], true) == cobus::taken::done) {
            nodes[i].completed(nodes[i]);
        }
        racing& old = nodes[i - std::min<std::size_t>(i - first, 3)];
        if (i % withdraws == 0 && to.withdraw(old)) {
            old.withdrawn.store(true);
        }
        if (i % yields == 0) {
            std::this_thread::yield();
        }
    }
}
/// Kafka is `most` of the time, and the other now and then.
void come_and_go(scripted_transport& kafka, const std::atomic<int>& publishers, cobus::link most,
                 cobus::link now_and_then) {
    for (int i = 0; publishers.load() > 0; ++i) {
        kafka.is(i % 3 == 2 ? now_and_then : most);
        for (int j = 0; j < 50; ++j) {
            std::this_thread::yield();
        }
    }
}

} // namespace

TEST_CASE("publishers on several threads keep their order while Kafka comes and goes") {
    constexpr int publishers = 4;
    constexpr std::size_t each = 1500;
    cobus::transport_options options;
    options.wait_limit = 24h;
    auto kafka_owner = std::make_unique<scripted_transport>();
    auto memory_owner = std::make_unique<scripted_transport>();
    scripted_transport& kafka = *kafka_owner;
    scripted_transport& memory = *memory_owner;
    arrivals in_kafka;
    in_kafka.may_repeat = "p3"; // what waits is sent again
    arrivals in_memory;
    kafka.on_publish = std::ref(in_kafka);
    memory.on_publish = std::ref(in_memory);
    memory.answer_at_once = std::error_code();
    std::deque<racing> nodes;
    quiet_waker changes;
    telling started;
    telling stopped;
    {
        cobus::failover whole(options, std::move(kafka_owner), std::move(memory_owner), false,
                              std::make_unique<hurried_runtime>());
        whole.start(changes, started);
        kafka.is(cobus::link::up);
        started.over.wait(false);

        for (std::size_t i = 0; i < publishers * each; ++i) {
            // Three threads deliver, one waits; each has a topic, so that its order can be seen.
            nodes.emplace_back("p" + std::to_string(i / each), static_cast<int>(i),
                               i / each == 3 ? policy::wait : policy::deliver);
        }
        std::atomic<int> running{publishers};
        std::vector<std::thread> threads;
        for (std::size_t p = 0; p < publishers; ++p) {
            threads.emplace_back([&, p] {
                publish_some(whole, nodes, p * each, (p + 1) * each, 16, 8);
                running.fetch_sub(1);
            });
        }
        threads.emplace_back([&] { // what Kafka's client answers: sent while it is there
            while (running.load() > 0) {
                const bool up = kafka.state().what == cobus::link::up;
                kafka.answer_next(up ? std::error_code() : make_error_code(errc::timed_out));
                std::this_thread::yield();
            }
        });
        threads.emplace_back(
            [&] { come_and_go(kafka, running, cobus::link::down, cobus::link::up); });
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(in_kafka.reordered == 0); // at the stop, what the client gave up may go there again
        kafka.is(cobus::link::up);
        whole.stop(cobus::failover::clock::time_point(24h * 365), stopped);
        while (!stopped.over.load()) {
            kafka.answer_next();
            std::this_thread::yield();
        }
        CHECK_FALSE(stopped.ec);
    }
    int withdrawn = 0;
    for (const racing& node : nodes) {
        withdrawn += node.withdrawn.load() ? 1 : 0;
        REQUIRE(node.completions.load() == (node.withdrawn.load() ? 0 : 1));
        // The client has it still when its publisher is told that nobody knows.
        REQUIRE((node.content != nullptr || node.ec == errc::maybe_sent));
    }
    CHECK(in_memory.reordered == 0);
    MESSAGE("to Kafka " << in_kafka.count << ", in process " << in_memory.count << ", withdrawn "
                        << withdrawn << ", changes " << changes.wakes);
    CHECK(in_memory.count > 0);
    CHECK(in_kafka.count > 0);
}

TEST_CASE("what is kept is told once and comes back once, on threads, while Kafka comes and goes") {
    constexpr int publishers = 4;
    constexpr std::size_t each = 1500;
    auto kafka_owner = std::make_unique<scripted_transport>();
    auto memory_owner = std::make_unique<scripted_transport>();
    scripted_transport& kafka = *kafka_owner;
    memory_owner->answer_at_once = std::error_code();
    kafka.room = 100; // others stand in its line, and can be withdrawn
    std::deque<racing> nodes;
    quiet_waker changes;
    telling started;
    telling stopped;
    {
        cobus::failover whole(cobus::transport_options(), std::move(kafka_owner),
                              std::move(memory_owner), false, std::make_unique<hurried_runtime>());
        whole.start(changes, started);
        kafka.is(cobus::link::up);
        started.over.wait(false);
        for (std::size_t i = 0; i < publishers * each; ++i) {
            nodes.emplace_back("p" + std::to_string(i / each), static_cast<int>(i),
                               i % 2 == 0 ? policy::deliver_and_spool : policy::spool);
        }
        std::atomic<int> running{publishers};
        std::vector<std::thread> threads;
        for (std::size_t p = 0; p < publishers; ++p) {
            threads.emplace_back([&, p] {
                publish_some(whole, nodes, p * each, (p + 1) * each, 4, 4);
                running.fetch_sub(1);
            });
        }
        threads.emplace_back([&] { // of what Kafka's client had, a third comes back
            for (int i = 0; running.load() > 0; ++i) {
                kafka.answer_next(i % 3 == 2 ? make_error_code(errc::timed_out)
                                             : std::error_code());
                std::this_thread::yield();
            }
        });
        threads.emplace_back(
            [&] { come_and_go(kafka, running, cobus::link::up, cobus::link::down); });
        for (std::thread& thread : threads) {
            thread.join();
        }
        kafka.is(cobus::link::up);
        while (whole.health().kept.messages > 0 || kafka.under_way() > 0) {
            kafka.answer_next();
            std::this_thread::yield();
        }
        whole.stop(cobus::failover::clock::time_point(24h * 365), stopped);
        stopped.over.wait(false);
        CHECK_FALSE(stopped.ec);
    }
    int withdrawn = 0;
    for (const racing& node : nodes) {
        withdrawn += node.withdrawn.load() ? 1 : 0;
        REQUIRE(node.completions.load() == (node.withdrawn.load() ? 0 : 1));
        REQUIRE_FALSE(node.parted.load()); // it came back
    }
    MESSAGE("withdrawn " << withdrawn << ", early " << early.load() << ", changes "
                         << changes.wakes);
    CHECK(withdrawn > 0);
    CHECK(early > 0);
}

TEST_CASE("on a pool of threads it starts, changes, stops and goes away cleanly") {
    for (int round = 0; round < 50; ++round) {
        asio::thread_pool pool(4);
        cobus::transport_options options;
        options.executor = pool.get_executor();
        options.log = {};
        auto kafka_owner = std::make_unique<scripted_transport>();
        auto memory_owner = std::make_unique<scripted_transport>();
        scripted_transport& kafka = *kafka_owner;
        memory_owner->answer_at_once = std::error_code();
        quiet_waker changes;
        telling started;
        telling stopped;
        std::deque<racing> nodes;
        {
            cobus::failover whole(options, std::move(kafka_owner), std::move(memory_owner), false);
            whole.start(changes, started);
            std::thread flapping([&] {
                for (int i = 0; i < 100; ++i) {
                    kafka.is(i % 2 == 0 ? cobus::link::up : cobus::link::down);
                }
            });
            for (int i = 0; i < 100; ++i) {
                racing& node = nodes.emplace_back("t", i, policy::deliver);
                if (whole.publish(node, true) == cobus::taken::done) {
                    node.completed(node);
                }
            }
            flapping.join();
            started.over.wait(false);
            if (round % 2 == 0) {
                whole.stop(std::chrono::steady_clock::now() + 10ms, stopped);
                stopped.over.wait(false);
            } else {
                kafka.answer_all(errc::timed_out);
            }
        }
        if (round % 2 == 0) {
            for (const racing& node : nodes) {
                REQUIRE(node.completions.load() == 1);
            }
        }
        pool.join();
    }
}
