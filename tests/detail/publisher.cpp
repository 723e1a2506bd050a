#include <cobus/detail/publisher.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace cobus;
using namespace cobus::detail;

namespace {

/// Keeps nodes until told otherwise; `on_withdraw` runs inside `withdraw`, to end a publish just
/// then.
class keeping_transport final : public transport {
public:
    [[nodiscard]] auto name() const noexcept -> std::string_view override { return "keeping"; }
    void start(waker& /*state_changed*/, operation& done) noexcept override {
        done.completed(done);
    }
    [[nodiscard]] auto publish(publish_node& node, bool /*may_wait*/) noexcept -> taken override {
        held.push_back(&node);
        return taken::pending;
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool override {
        if (on_withdraw) {
            std::exchange(on_withdraw, nullptr)();
        }
        return std::erase(held, &node) > 0;
    }
    [[nodiscard]] auto subscribe(const interest& /*wanted*/, waker& /*ready*/)
        -> std::unique_ptr<stream> override {
        return nullptr;
    }
    [[nodiscard]] auto state() const -> link_state override { return link_state(); }
    void stop(std::chrono::steady_clock::time_point /*deadline*/,
              operation& done) noexcept override {
        done.completed(done);
    }
    void complete(publish_node& node) {
        std::erase(held, &node);
        node.completed(node);
    }

    std::vector<publish_node*> held;
    std::function<void()> on_withdraw;
};

struct bench {
    net::io_context context;
    net::any_io_executor executor = context.get_executor();
    keeping_transport carrier;
    publisher all{[](void* /*who*/) noexcept {}, nullptr};
    std::vector<std::error_code> heard;

    bench() { all.connect(&carrier); }
    ~bench() { all.drop_waiters(); }
    bench(const bench&) = delete;
    auto operator=(const bench&) -> bench& = delete;

    auto publish() -> publish_op& {
        publish_op& op = *all.make();
        op.content = make_message();
        auto* who = erase_handler<std::error_code, receipt>(
            [this](std::error_code ec, const receipt& /*where*/) { heard.push_back(ec); },
            executor);
        CHECK(all.attach(op, *who));
        CHECK(all.submit(op, true) == taken::pending);
        return op;
    }
    void deliver() {
        all.deliver([this](publish_op::waiter& who, std::error_code ec, receipt where) {
            who.complete(executor, true, ec, std::move(where));
        });
    }
    void cancel(publish_op& op, std::uint64_t generation) {
        std::error_code ec;
        receipt where;
        if (publish_op::waiter* who = all.cancel(op, generation, ec, where)) {
            who->complete(executor, true, ec, std::move(where));
        }
    }
};

} // namespace

TEST_CASE("a publish that is withdrawn was never sent") {
    bench b;
    publish_op& op = b.publish();
    b.cancel(op, op.generation);
    REQUIRE(b.heard.size() == 1);
    CHECK(b.heard[0] == std::error_code(net::error::operation_aborted));
    CHECK(b.carrier.held.empty());
}

TEST_CASE("a publish under way may have been sent, and its end is heard by nobody") {
    bench b;
    publish_op& op = b.publish();
    b.carrier.held.clear(); // the transport will not give it back
    b.cancel(op, op.generation);
    REQUIRE(b.heard.size() == 1);
    CHECK(b.heard[0] == errc::maybe_sent);
    op.completed(op);
    b.deliver();
    CHECK(b.heard.size() == 1);
}

TEST_CASE("a cancellation that comes late touches no other publish") {
    bench b;
    publish_op& op = b.publish();
    const std::uint64_t generation = op.generation;
    b.carrier.complete(op);
    b.deliver();
    REQUIRE(b.heard.size() == 1);
    publish_op& next = b.publish(); // the same node again
    CHECK(&next == &op);
    b.cancel(op, generation);
    CHECK(b.heard.size() == 1);
    CHECK(b.carrier.held.size() == 1);
}

TEST_CASE("a deadline is forgotten with its publish") {
    constexpr auto never = (std::chrono::steady_clock::time_point::max)();
    bench b;
    const auto late = std::chrono::steady_clock::now() + std::chrono::hours(1);
    publish_op& op = b.publish();
    const std::uint64_t generation = op.generation;
    b.all.watch(op, generation, late);
    CHECK(b.all.next_deadline() == late);
    b.carrier.complete(op);
    b.deliver();
    CHECK(b.all.next_deadline() == never);
    b.all.watch(op, generation, late); // by who learns only then that it has ended
    CHECK(b.all.next_deadline() == never);
}

TEST_CASE("what is published between the call to start and the start goes out first, in order") {
    bench b;
    publisher early([](void* /*who*/) noexcept {}, nullptr);
    publish_op& refused = *early.make();
    CHECK(early.submit(refused, true) == taken::done);
    CHECK(refused.ec == errc::closed);
    early.expect_transport(2);
    std::vector<publish_op*> sent;
    for (int i = 0; i < 3; ++i) {
        sent.push_back(early.make());
        REQUIRE(early.submit(*sent.back(), true) == taken::pending);
    }
    CHECK(early.submit(refused, false) == taken::full);
    early.connect(&b.carrier);
    publish_op& late = *early.make();
    REQUIRE(early.submit(late, true) == taken::pending);
    sent.push_back(&late);
    CHECK(std::ranges::equal(b.carrier.held, sent));
}

TEST_CASE("what was published early can be withdrawn, or fails with the start") {
    bench b;
    b.all.connect(nullptr);
    publisher early([](void* /*who*/) noexcept {}, nullptr);
    early.expect_transport(10);
    std::vector<std::error_code> heard;
    std::vector<publish_op*> sent;
    for (int i = 0; i < 2; ++i) {
        publish_op& op = *early.make();
        auto* who = erase_handler<std::error_code, receipt>(
            [&heard](std::error_code ec, const receipt& /*where*/) { heard.push_back(ec); },
            b.executor);
        REQUIRE(early.attach(op, *who));
        REQUIRE(early.submit(op, true) == taken::pending);
        sent.push_back(&op);
    }
    const auto tell = [&b](publish_op::waiter& who, std::error_code ec, receipt where) {
        who.complete(b.executor, true, ec, std::move(where));
    };
    std::error_code ec;
    receipt where;
    publish_op::waiter* const who = early.cancel(*sent[0], sent[0]->generation, ec, where);
    REQUIRE(who != nullptr);
    tell(*who, ec, where);
    early.refuse_early(errc::kafka_required);
    early.end(tell);
    CHECK(heard == std::vector<std::error_code>{net::error::operation_aborted,
                                                make_error_code(errc::kafka_required)});
    CHECK(early.submit(*early.make(), true) == taken::done);
}

TEST_CASE("a publish that ends while it is being withdrawn is not used for another meanwhile") {
    bench b;
    publish_op& op = b.publish();
    publish_op* other = nullptr;
    b.carrier.on_withdraw = [&] {
        b.carrier.complete(op);
        b.deliver();
        other = &b.publish();
    };
    b.cancel(op, op.generation);
    CHECK(other != &op);
    REQUIRE(b.heard.size() == 1);
    CHECK_FALSE(b.heard[0]); // it was sent, and says so
    CHECK(b.carrier.held.size() == 1);
}

TEST_CASE("at its deadline a publish that waits is withdrawn as timed out") {
    bench b;
    publish_op& op = b.publish();
    const auto now = std::chrono::steady_clock::now();
    b.all.watch(op, op.generation, now);
    CHECK(b.all.next_deadline() == now);
    b.all.expire(now, [&](publish_op::waiter& who, std::error_code ec, receipt where) {
        who.complete(b.executor, true, ec, std::move(where));
    });
    REQUIRE(b.heard.size() == 1);
    CHECK(b.heard[0] == errc::timed_out);
}

TEST_CASE("at the end everybody hears whether the event may have been sent") {
    bench b;
    b.publish();
    publish_op& sent = b.publish();
    std::erase(b.carrier.held, &sent);
    b.all.end([&](publish_op::waiter& who, std::error_code ec, receipt where) {
        who.complete(b.executor, true, ec, std::move(where));
    });
    CHECK(b.heard.size() == 2);
    CHECK(std::count(b.heard.begin(), b.heard.end(), make_error_code(errc::closed)) == 1);
    CHECK(std::count(b.heard.begin(), b.heard.end(), make_error_code(errc::maybe_sent)) == 1);
}

TEST_CASE("a text that is seldom there is read as a text, and moved") {
    rare_text text;
    CHECK(text.empty());
    CHECK(text == "");
    text = std::string("why");
    CHECK(text == "why");
    rare_text other = std::move(text);
    const std::string& read = other;
    CHECK(read == "why");
    other = std::string();
    CHECK(other.empty());
    other = std::string("again");
    other.clear();
    CHECK(other == "");
}

// Answers that come before the transport is through with the node.

namespace {

auto kept_answer() -> early_answer {
    early_answer made;
    made.where.way(path::spool, false);
    return made;
}

} // namespace

TEST_CASE("who was answered early hears no end, and the node is another publish's after it") {
    bench b;
    publish_op& op = b.publish();
    CHECK(op.answered(op, kept_answer()));
    b.deliver();
    REQUIRE(b.heard.size() == 1);
    CHECK_FALSE(b.heard[0]);
    CHECK(&b.publish() != &op); // the transport has it
    op.ec = errc::timed_out;
    b.carrier.complete(op);
    b.deliver();
    CHECK(b.heard.size() == 1);
    publish_op& next = *b.all.make();
    CHECK(&next == &op);
    CHECK_FALSE(next.ec);
    b.all.release(next);
}

TEST_CASE("who has not attached yet finds the early answer, whether the node ended or not") {
    bench b;
    publish_op& op = *b.all.make();
    op.content = make_message();
    REQUIRE(b.all.submit(op, true) == taken::pending);
    CHECK(op.answered(op, kept_answer()));
    bool ended_before = false;
    SUBCASE("it has not") {}
    SUBCASE("it has") {
        ended_before = true;
        b.carrier.complete(op);
        b.deliver();
    }
    auto* who = erase_handler<std::error_code, receipt>(
        [&b](std::error_code ec, const receipt& /*where*/) { b.heard.push_back(ec); }, b.executor);
    REQUIRE_FALSE(b.all.attach(op, *who));
    who->destroy();
    receipt where;
    CHECK_FALSE(b.all.collect(op, where));
    CHECK(where.spooled());
    if (!ended_before) {
        publish_op& other = *b.all.make();
        CHECK(&other != &op);
        b.all.release(other);
        b.carrier.complete(op);
        b.deliver();
    }
    publish_op& next = *b.all.make();
    CHECK(&next == &op); // it went back once, and last
    b.all.release(next);
    CHECK(b.heard.empty());
}

TEST_CASE("an early answer within a cancellation is heard, and nothing else") {
    bench b;
    publish_op& op = b.publish();
    bool ends = false;
    SUBCASE("and the node ends later") {}
    SUBCASE("and the node ends within it, too") { ends = true; }
    b.carrier.on_withdraw = [&] {
        CHECK(op.answered(op, kept_answer()));
        if (ends) {
            b.carrier.complete(op);
        }
        b.deliver();
        b.carrier.held.clear(); // not withdrawn
    };
    b.cancel(op, op.generation);
    REQUIRE(b.heard.size() == 1);
    CHECK_FALSE(b.heard[0]);
    if (!ends) {
        CHECK(&b.publish() != &op);
        op.completed(op);
        b.deliver();
    }
    CHECK(b.heard.size() == 1);
    publish_op& next = *b.all.make();
    CHECK(&next == &op);
    CHECK(b.all.submit(next, true) == taken::pending);
    b.carrier.complete(next);
    b.deliver();
    CHECK(b.all.has_ended(next)); // nothing of the cancellation is left in it
    b.all.release(next);
}

TEST_CASE("an early answer that nobody waits for any more is nobody's") {
    bench b;
    publish_op& op = b.publish();
    b.carrier.held.clear(); // the transport will not give it back
    b.cancel(op, op.generation);
    REQUIRE(b.heard.size() == 1);
    CHECK(op.answered(op, kept_answer()));
    b.deliver();
    op.completed(op);
    b.deliver();
    CHECK(b.heard.size() == 1);
}

TEST_CASE("an early answer ends the watch for a deadline") {
    constexpr auto never = (std::chrono::steady_clock::time_point::max)();
    bench b;
    publish_op& op = b.publish();
    b.all.watch(op, op.generation, std::chrono::steady_clock::now() + std::chrono::hours(1));
    CHECK(op.answered(op, kept_answer()));
    CHECK(b.all.next_deadline() == never);
    b.all.watch(op, op.generation, std::chrono::steady_clock::now() + std::chrono::hours(1));
    CHECK(b.all.next_deadline() == never); // the submitter came late
    b.deliver();
    b.carrier.complete(op);
    b.deliver();
    CHECK(b.heard.size() == 1);
}
