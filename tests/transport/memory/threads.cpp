#include "memory_peer.hpp"

#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <semaphore>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

using namespace cobus;

namespace {

/// Lets a thread sleep until there is something.
class sleeping_waker final : public waker {
public:
    void wake() noexcept override { there_.release(); }
    void wait() { there_.acquire(); }

private:
    std::counting_semaphore<> there_{0};
};

/// A publish that its thread waits for.
struct awaited_publish : publish_node {
    awaited_publish() {
        completed = [](publish_node& self) noexcept {
            static_cast<awaited_publish&>(self).done.release();
        };
    }
    std::binary_semaphore done{0};
};

struct consumer {
    consumer(transport& bus, const std::string& group)
        : stream(bus.subscribe(memory_peer::interest_of(group, {"t"}), ready)) {}

    /// Reads until `count` messages came, commits all, checks the order in each partition.
    void run(std::atomic<int>& left) {
        std::vector<delivery> room(32);
        std::map<std::int32_t, std::uint32_t> epochs;
        while (left > 0) {
            const polled got = stream->poll(room);
            if (got.what == signal::none) {
                ready.wait();
            } else if (got.what == signal::assigned || got.what == signal::revoked) {
                for (const topic_partition& each : got.partitions) {
                    epochs[each.partition] = got.epoch;
                }
                stream->settled(got.epoch);
            } else if (got.what == signal::messages) {
                take({room.data(), got.count}, epochs, left);
            }
        }
    }
    void take(std::span<delivery> room, std::map<std::int32_t, std::uint32_t>& epochs,
              std::atomic<int>& left) {
        std::map<std::int32_t, position> positions;
        for (const delivery& each : room) {
            bytes += each.content->payload().size();
            ordered = ordered && each.offset >= next[each.where.partition];
            next[each.where.partition] = each.offset + 1;
            positions[each.where.partition] = {each.where, each.offset + 1, {}};
        }
        const int count = static_cast<int>(room.size());
        stream->give_back(room);
        noted_operation done;
        for (const auto& [partition, where] : positions) {
            stream->commit({&where, 1}, epochs[partition], done);
        }
        seen += count;
        left -= count;
    }

    sleeping_waker ready;
    std::unique_ptr<cobus::stream> stream;
    std::map<std::int32_t, std::int64_t> next;
    std::size_t bytes = 0;
    int seen = 0;
    bool ordered = true;
};

} // namespace

TEST_CASE("Four publishers and two groups on threads of their own, with publishers in line") {
    constexpr int each = 3000;
    constexpr int publishers = 4;
    transport_options options = small_options(2);
    options.retention_messages = 64;
    const auto bus = memory()(options);
    consumer one(*bus, "one");
    consumer two(*bus, "two");
    std::atomic<int> first{each * publishers};
    std::atomic<int> second{each * publishers};
    std::atomic<int> waited{0};
    {
        std::vector<std::jthread> threads;
        threads.emplace_back([&] { one.run(first); });
        threads.emplace_back([&] { two.run(second); });
        for (int i = 0; i < publishers; ++i) {
            threads.emplace_back([&, i] {
                for (int j = 0; j < each; ++j) {
                    awaited_publish node;
                    node.content = a_message("t", "x", "key" + std::to_string(i));
                    if (bus->publish(node, true) == taken::pending) {
                        ++waited;
                        node.done.acquire();
                    }
                }
            });
        }
    }
    CHECK(one.seen == each * publishers);
    CHECK(two.seen == each * publishers);
    CHECK(one.bytes == each * publishers);
    CHECK(one.ordered);
    CHECK(two.ordered);
    CHECK(waited > 0);
}

TEST_CASE("Members come and go on other threads while publishers go on, and nothing is lost") {
    constexpr int each = 2000;
    auto broker = std::make_shared<memory_broker>();
    const auto bus = memory(broker)(small_options(4));
    consumer steady(*bus, "g");
    std::atomic<int> left{2 * each};
    std::atomic<bool> over{false};
    std::set<std::string> handled;
    {
        std::jthread passers([&] {
            while (!over) {
                memory_peer passer(*bus, "g", {"t"});
                for (int i = 0; i < 20; ++i) {
                    passer.run();
                    passer.give_back();
                }
            }
        });
        std::vector<std::jthread> publishers;
        for (int i = 0; i < 2; ++i) {
            publishers.emplace_back([&, i] {
                for (int j = 0; j < each; ++j) {
                    publish(*bus, "t", std::to_string(i * each + j), std::to_string(j));
                }
            });
        }
        // The passers commit nothing, so in the end all that exists is committed by the steady one.
        std::vector<delivery> room(32);
        std::map<std::int32_t, std::uint32_t> epochs;
        while (handled.size() < std::size_t{2 * each}) {
            const polled got = steady.stream->poll(room);
            if (got.what == signal::none) {
                steady.ready.wait();
            } else if (got.what == signal::assigned || got.what == signal::revoked) {
                for (const topic_partition& some : got.partitions) {
                    epochs[some.partition] = got.epoch;
                }
                steady.stream->settled(got.epoch);
            } else if (got.what == signal::messages) {
                for (std::size_t i = 0; i < got.count; ++i) {
                    handled.insert(std::string(room[i].content->payload()));
                }
                steady.take({room.data(), got.count}, epochs, left);
            }
        }
        over = true;
    }
    CHECK(handled.size() == std::size_t{2 * each});
}
