#include "log_book.hpp"
#include "run.hpp"

#include <cobus/cobus.hpp>
#include <cobus/dispatch/dead_letters.hpp>
#include <cobus/transport/factory.hpp>
#include <cobus/transport/memory.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using cobus::test::log_book;
using cobus::test::run;
using cobus::test::until;
namespace net = cobus::net;
using namespace std::chrono_literals;

namespace {

/// What a dead letter topic was given.
struct letter {
    cobus::headers headers;
    std::string payload;
    bool null = false;
};

/// Memory with a dead letter topic that refuses as often as it is told to.
class picky_transport final : public cobus::transport {
public:
    struct script {
        std::size_t refusals = 0;
        std::error_code why;
        std::vector<letter> seen;
    };

    picky_transport(std::unique_ptr<cobus::transport> inner, script& how)
        : inner_(std::move(inner)), how_(&how) {}

    auto name() const noexcept -> std::string_view override { return "picky"; }
    auto in_process() const noexcept -> bool override { return true; }
    void start(cobus::waker& changed, cobus::operation& done) noexcept override {
        inner_->start(changed, done);
    }
    auto publish(cobus::publish_node& node, bool may_wait) noexcept -> cobus::taken override {
        const cobus::message& content = *node.content;
        if (content.topic().starts_with("dlq.")) {
            how_->seen.push_back(
                {content.headers(), std::string(content.payload()), content.is_null()});
            if (how_->seen.size() <= how_->refusals) {
                node.ec = how_->why;
                return cobus::taken::done;
            }
        }
        return inner_->publish(node, may_wait);
    }
    auto withdraw(cobus::publish_node& node) noexcept -> bool override {
        return inner_->withdraw(node);
    }
    auto subscribe(const cobus::interest& wanted, cobus::waker& ready)
        -> std::unique_ptr<cobus::stream> override {
        return inner_->subscribe(wanted, ready);
    }
    auto state() const -> cobus::link_state override { return inner_->state(); }
    void stop(std::chrono::steady_clock::time_point deadline,
              cobus::operation& done) noexcept override {
        inner_->stop(deadline, done);
    }

private:
    std::unique_ptr<cobus::transport> inner_;
    script* how_;
};

[[nodiscard]] auto picky(picky_transport::script& how) -> cobus::transport_factory {
    return [&how](const cobus::transport_options& with) {
        return std::make_unique<picky_transport>(cobus::memory()(with), how);
    };
}

[[nodiscard]] auto with(log_book& log) -> cobus::settings {
    cobus::settings how;
    how.logger(log.logger());
    return how;
}

[[nodiscard]] auto failing_message() -> cobus::message {
    cobus::message made("orders", "order.placed", "a large payload");
    made.key("o-1");
    made.headers().add("tenant", "north");
    return made;
}

} // namespace

TEST_CASE("a dead letter that is too large loses the reason, then the headers, then the payload") {
    net::io_context context;
    picky_transport::script topic{3, make_error_code(cobus::errc::too_large), {}};
    log_book log;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), with(log), cobus::over(picky(topic)));
        auto failing = bus.on_any(cobus::handler("failing"), {"orders"}, [](const cobus::message&) {
            return cobus::outcome::dead_letter("a long story");
        });
        co_await bus.start();
        cobus::message failed = failing_message();
        co_await bus.publish(std::move(failed));
        co_await until([&] { return topic.seen.size() == 4; });
        co_await bus.stop();
    });
    REQUIRE(topic.seen.size() == 4);
    const std::vector<letter>& seen = topic.seen;
    CHECK(seen[0].headers.get("cobus-dlq-reason") == "a long story");
    CHECK_FALSE(seen[1].headers.get("cobus-dlq-reason"));
    CHECK(seen[1].headers.get("tenant") == "north");
    CHECK_FALSE(seen[2].headers.get("tenant"));
    CHECK(seen[2].payload == "a large payload");
    CHECK(seen[3].null);
    CHECK(seen[3].headers.get("cobus-dlq-size") == "15");
    CHECK(seen[3].headers.get("cobus-dlq-fnv1a") == cobus::detail::fnv1a("a large payload"));
    for (const letter& each : seen) {
        CHECK(each.headers.get("cobus-dlq-topic") == "orders");
        CHECK(each.headers.get("cobus-dlq-type") == "order.placed");
        CHECK(each.headers.get("cobus-dlq-time")->size() == 24);
    }
}

TEST_CASE("a dead letter that is refused keeps its message unfinished, and the log says why once") {
    net::io_context context;
    picky_transport::script topic{1000, make_error_code(cobus::errc::unavailable), {}};
    log_book log;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), with(log), cobus::over(picky(topic)));
        auto failing = bus.on_any(cobus::handler("failing"), {"orders"}, [](const cobus::message&) {
            return cobus::outcome::dead_letter("no");
        });
        co_await bus.start();
        cobus::message first = failing_message();
        cobus::message second = failing_message();
        co_await bus.publish(std::move(first));
        co_await bus.publish(std::move(second));
        co_await until([&] { return !log.with("refuses").empty(); });
        co_await bus.stop(0ms);
    });
    CHECK(log.with("the dead letter topic 'dlq.orders' refuses").size() == 1);
    CHECK(topic.seen.size() == 1); // the second waits for its key's first
}

TEST_CASE("a replay that names one handler goes to it alone") {
    net::io_context context;
    std::vector<std::string> ran;
    log_book log;
    run(context, [&]() -> net::awaitable<void> {
        cobus::settings how = with(log);
        how.group_id("billing");
        cobus::bus bus(context.get_executor(), std::move(how));
        auto one =
            bus.on_any("one", {"orders"}, [&](const cobus::message&) { ran.emplace_back("one"); });
        auto two =
            bus.on_any("two", {"orders"}, [&](const cobus::message&) { ran.emplace_back("two"); });
        co_await bus.start();
        for (const char* const only : {"billing/two", "billing/none", "shipping/one"}) {
            cobus::message replay = failing_message();
            replay.headers().set("cobus-only", only);
            co_await bus.publish(std::move(replay));
        }
        cobus::message failed = failing_message();
        co_await bus.publish(std::move(failed));
        co_await until([&] { return ran.size() >= 3; });
        co_await bus.stop();
    });
    std::ranges::sort(ran); // handlers keep no order among each other
    CHECK(ran == std::vector<std::string>{"one", "two", "two"});
}

TEST_CASE("the wait after a refused letter doubles up to 32 seconds") {
    CHECK(cobus::detail::letter_wait(0) == 1s);
    CHECK(cobus::detail::letter_wait(3) == 8s);
    CHECK(cobus::detail::letter_wait(5) == 32s);
    CHECK(cobus::detail::letter_wait(4000) == 32s);
}
