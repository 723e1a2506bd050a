#include "memory_peer.hpp"

#include <cobus/transport/simple_transport.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace cobus;
using namespace std::chrono_literals;
using texts = std::vector<std::string>;

namespace {

/// What a test sees of a transport, and tells it.
struct control {
    explicit control(net::io_context& context) : gate(context), news(context) {}

    bool closed = false; ///< sends wait until it is opened
    std::error_code refuse;
    texts sent;
    texts wanted;
    std::deque<std::string> incoming;
    std::vector<std::int64_t> committed;
    net::steady_timer gate;
    net::steady_timer news;
    int alive = 0;
};

/// Sends into a list and receives from another.
class listed_transport final : public simple_transport {
public:
    listed_transport(const transport_options& /*options*/, control* with) : with_(with) {
        ++with_->alive;
    }
    ~listed_transport() override { --with_->alive; }

    auto send(message& content) -> net::awaitable<receipt> override {
        if (with_->closed) {
            with_->gate.expires_after(1h);
            std::error_code opened;
            co_await with_->gate.async_wait(net::redirect_error(net::use_awaitable, opened));
            co_await net::post(co_await net::this_coro::executor, net::use_awaitable);
        }
        if (with_->refuse) {
            throw std::system_error(with_->refuse, "refused");
        }
        with_->sent.emplace_back(content.payload());
        receipt where;
        where.topic(content.interned_topic());
        where.position(0, static_cast<std::int64_t>(with_->sent.size()) - 1);
        co_return where;
    }
    auto receive(std::span<delivery> room) -> net::awaitable<std::size_t> override {
        while (with_->incoming.empty()) {
            with_->news.expires_after(1h);
            std::error_code woken;
            co_await with_->news.async_wait(net::redirect_error(net::use_awaitable, woken));
        }
        std::size_t count = 0;
        while (count < room.size() && !with_->incoming.empty()) {
            room[count].content = a_message("t", with_->incoming.front()).release();
            room[count].where = {detail::intern("t"), 0};
            room[count++].offset = next_++;
            with_->incoming.pop_front();
        }
        co_return count;
    }
    auto commit(std::span<const position> positions) -> net::awaitable<void> override {
        with_->committed.push_back(positions.front().offset);
        co_return;
    }
    void topics(const interest& wanted) override {
        with_->wanted.clear();
        for (const std::string* each : wanted.topics) {
            with_->wanted.push_back(*each);
        }
    }

private:
    control* with_;
    std::int64_t next_ = 0;
};

struct setting {
    setting() {
        options.executor = context.get_executor();
        options.queue_messages = 2;
        bus = simple<listed_transport>(&with)(options);
    }
    void run() {
        context.restart();
        context.poll();
    }

    net::io_context context;
    control with{context};
    transport_options options;
    std::unique_ptr<transport> bus;
};

} // namespace

TEST_CASE("Publishes are sent one after another, in order") {
    setting here;
    std::array<noted_publish, 3> nodes;
    for (std::size_t i = 0; i < 3; ++i) {
        nodes.at(i).content = a_message("t", std::to_string(i));
        REQUIRE(here.bus->publish(nodes.at(i), true) == taken::pending);
    }
    noted_publish eager;
    eager.content = a_message("t", "no room");
    CHECK(here.bus->publish(eager, false) == taken::full);
    here.run();
    CHECK(here.with.sent == texts{"0", "1", "2"});
    CHECK(nodes[2].ends == 1);
    CHECK(nodes[2].where.offset() == 2);
    CHECK_FALSE(nodes[2].ec);
}

TEST_CASE("What send throws is the error of that publish, and the next one goes on") {
    setting here;
    here.with.refuse = make_error_code(errc::too_large);
    noted_publish node;
    node.content = a_message("t", "x");
    REQUIRE(here.bus->publish(node, true) == taken::pending);
    here.run();
    CHECK(node.ec == errc::too_large);
    CHECK(node.content != nullptr);
    here.with.refuse.clear();
    REQUIRE(here.bus->publish(node, true) == taken::pending);
    here.run();
    CHECK_FALSE(node.ec);
    CHECK(node.ends == 2);
}

TEST_CASE("A publish that has not begun can be withdrawn, one under way cannot") {
    setting here;
    here.with.closed = true;
    noted_publish first;
    noted_publish second;
    first.content = a_message("t", "1");
    second.content = a_message("t", "2");
    REQUIRE(here.bus->publish(first, true) == taken::pending);
    REQUIRE(here.bus->publish(second, true) == taken::pending);
    here.run();
    CHECK_FALSE(here.bus->withdraw(first));
    CHECK(here.bus->withdraw(second));
    here.with.gate.cancel();
    here.run();
    CHECK(here.with.sent == texts{"1"});
    CHECK(second.ends == 0);
}

TEST_CASE("At the deadline of stop what is under way may have been sent, the rest was not") {
    setting here;
    here.with.closed = true;
    noted_publish first;
    noted_publish second;
    first.content = a_message("t", "1");
    second.content = a_message("t", "2");
    REQUIRE(here.bus->publish(first, true) == taken::pending);
    REQUIRE(here.bus->publish(second, true) == taken::pending);
    noted_operation stopped;
    here.run();
    here.bus->stop(std::chrono::steady_clock::now() + 5ms, stopped);
    CHECK(stopped.ends == 0);
    here.context.restart();
    here.context.run();
    CHECK(stopped.ends == 1);
    CHECK(first.ec == errc::maybe_sent);
    CHECK(second.ec == errc::timed_out);
    CHECK(here.with.sent.empty());
    noted_publish late;
    late.content = a_message("t", "3");
    CHECK(here.bus->publish(late, true) == taken::done);
    CHECK(late.ec == errc::closed);
}

TEST_CASE("Stop ends when everything was sent, and the context runs out of work") {
    setting here;
    noted_publish node;
    node.content = a_message("t", "1");
    REQUIRE(here.bus->publish(node, true) == taken::pending);
    noted_operation stopped;
    here.bus->stop(std::chrono::steady_clock::now() + 1h, stopped);
    here.context.run();
    CHECK(stopped.ends == 1);
    CHECK(here.with.sent == texts{"1"});
    here.bus.reset();
    here.run();
    CHECK(here.with.alive == 0);
}

TEST_CASE("What is received reaches the stream, and commits reach the transport") {
    setting here;
    memory_peer peer(*here.bus, "g", {"t"});
    peer.run();
    here.run();
    CHECK(here.with.wanted == texts{"t"});
    here.with.incoming = {"a", "b"};
    here.with.news.cancel();
    peer.ready.wakes = 0;
    here.run();
    CHECK(peer.ready.wakes == 1);
    peer.run();
    CHECK(peer.take() == texts{"a", "b"});
    const std::vector<position> positions{{{detail::intern("t"), 0}, 2, {}}};
    noted_operation done;
    peer.stream().commit(positions, peer.owned.at(0).second, done);
    here.run();
    CHECK(done.ends == 1);
    CHECK(here.with.committed == std::vector<std::int64_t>{2});
    CHECK(peer.commit("t", 0, 2, peer.owned.at(0).second + 1) == errc::not_assigned);
}

TEST_CASE("Nothing more is received while a batch waits for the handlers") {
    setting here;
    for (int i = 0; i < 200; ++i) {
        here.with.incoming.push_back(std::to_string(i));
    }
    memory_peer peer(*here.bus, "g", {"t"});
    peer.run();
    here.run();
    CHECK(here.with.incoming.size() == 136);
    here.run();
    CHECK(here.with.incoming.size() == 136);
    for (int i = 0; i < 20; ++i) {
        peer.run();
        here.run();
    }
    CHECK(peer.take().size() == 200);
}

TEST_CASE("A change of topics, a close and an end without one are told to the transport") {
    setting here;
    {
        memory_peer peer(*here.bus, "g", {"t"});
        peer.run();
        here.run();
        peer.stream().update(memory_peer::interest_of("g", {"t", "u"}));
        here.run();
        CHECK(here.with.wanted == texts{"t", "u"});
        CHECK(peer.step() == signal::assigned);
        CHECK(peer.partitions.size() == 1);
        noted_operation closed;
        peer.stream().close(closed);
        CHECK(peer.step() == signal::revoked);
        CHECK(peer.partitions.size() == 2);
        peer.give_up();
        CHECK(peer.step() == signal::closed);
        CHECK(closed.ends == 1);
    }
    here.bus.reset();
    here.context.restart();
    here.context.run();
    CHECK(here.with.alive == 0);
}
