#include "events.hpp"
#include "log_book.hpp"
#include "run.hpp"
#include "temporary_folder.hpp"

#include <cobus/cobus.hpp>
#include <cobus/dispatch/dead_letters.hpp>
#include <cobus/transport/factory.hpp>
#include <cobus/transport/memory.hpp>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
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

namespace {

/// Publishes a tick and a tock to a bus that handles ticks alone, and stops when `over` says so.
void tick_and_tock(cobus::handler_options how, log_book& log, std::vector<std::uint64_t>& ticks,
                   std::function<bool(cobus::bus&)> over) {
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> {
        cobus::settings told = with(log);
        told.partitions(1);
        cobus::bus bus(context.get_executor(), std::move(told));
        auto handler = bus.on<cobus::test::tick>(
            std::move(how), [&](const cobus::test::tick& event) { ticks.push_back(event.number); });
        co_await bus.start();
        const cobus::test::tick first{"a", 1};
        const cobus::test::tock other{"a", 2};
        const cobus::test::tick last{"a", 3};
        co_await bus.publish(first);
        co_await bus.publish(other);
        co_await bus.publish(last);
        co_await until([&] { return over(bus); });
        co_await bus.stop(50ms);
    });
}

} // namespace

TEST_CASE("a message of a type that no handler takes is done, and others go on") {
    log_book log;
    std::vector<std::uint64_t> ticks;
    tick_and_tock(cobus::handler("ticks"), log, ticks, [&](cobus::bus& bus) {
        CHECK(bus.health().unknown_types <= 1);
        return ticks.size() == 2 && bus.health().unknown_types == 1;
    });
    CHECK(ticks == std::vector<std::uint64_t>{1, 3});
    CHECK(log.lines().empty());
}

TEST_CASE(
    "a message of a type that no handler takes goes to the dead letters if a handler asks for it") {
    log_book log;
    std::vector<std::uint64_t> ticks;
    tick_and_tock(cobus::handler("ticks").unknown(cobus::unknown_type::dead_letter), log, ticks,
                  [&](cobus::bus& bus) {
                      const auto letters = bus.health().dead_letters;
                      CHECK(letters.well());
                      CHECK(bus.health().unknown_types == 0);
                      return ticks.size() == 2 && letters.written == 1;
                  });
    CHECK(ticks == std::vector<std::uint64_t>{1, 3});
    CHECK(log.with("no handler of this group takes the type 'tock'").size() == 1);
}

TEST_CASE("a partition stops at a message that no handler takes, if a handler asks for it") {
    log_book log;
    std::vector<std::uint64_t> ticks;
    tick_and_tock(cobus::handler("ticks").unknown(cobus::unknown_type::stop), log, ticks,
                  [&](cobus::bus& bus) {
                      const auto letters = bus.health().dead_letters;
                      CHECK(letters.written == 0);
                      return letters.stopped == 1 && !letters.well() &&
                             letters.why.find("'tock'") != std::string::npos;
                  });
    CHECK(log.of(cobus::log_level::error).size() == 1);
    CHECK(ticks.front() == 1); // what was read with it may have run, and is not committed
}

TEST_CASE("the bus's health tells of dead letters that are refused, since when and why") {
    net::io_context context;
    picky_transport::script topic{1, make_error_code(cobus::errc::not_authorized), {}};
    log_book log;
    run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), with(log), cobus::over(picky(topic)));
        auto failing = bus.on_any(cobus::handler("failing"), {"orders"}, [](const cobus::message&) {
            return cobus::outcome::dead_letter("no");
        });
        co_await bus.start();
        const auto begun = std::chrono::steady_clock::now();
        cobus::message failed = failing_message();
        co_await bus.publish(std::move(failed));
        co_await until([&] { return bus.health().dead_letters.waiting == 1; });
        const cobus::dead_letter_health waiting = bus.health().dead_letters;
        CHECK_FALSE(waiting.well());
        CHECK(waiting.since >= begun);
        CHECK(waiting.cause == make_error_code(cobus::errc::not_authorized));
        CHECK(waiting.why.find("dlq.orders") != std::string::npos);
        co_await until([&] { return bus.health().dead_letters.written == 1; });
        const cobus::dead_letter_health after = bus.health().dead_letters;
        CHECK(after.well());
        CHECK(after.why.empty());
        CHECK_FALSE(after.cause);
        co_await bus.stop();
    });
}

TEST_CASE("a dead letter that is refused for good is parked in a file, and its message is done") {
    const cobus::test::temporary_folder folder;
    const std::string file = (folder.path() / "parked.jsonl").string();
    net::io_context context;
    picky_transport::script topic{1000, make_error_code(cobus::errc::not_authorized), {}};
    log_book log;
    run(context, [&]() -> net::awaitable<void> {
        cobus::settings how = with(log);
        how.park_dead_letters(file);
        cobus::bus bus(context.get_executor(), std::move(how), cobus::over(picky(topic)));
        std::size_t handled = 0;
        auto failing =
            bus.on_any(cobus::handler("failing"), {"orders"}, [&](const cobus::message&) {
                ++handled;
                return cobus::outcome::dead_letter("no");
            });
        co_await bus.start();
        for (int i = 0; i < 2; ++i) { // of one key: the second runs only if the first is done
            cobus::message failed = failing_message();
            co_await bus.publish(std::move(failed));
        }
        co_await until([&] { return bus.health().dead_letters.parked == 2; });
        CHECK(handled == 2);
        CHECK(bus.health().dead_letters.well());
        co_await bus.stop();
    });
    std::ifstream lines(file);
    std::string line;
    std::size_t count = 0;
    while (std::getline(lines, line)) {
        ++count;
        const auto has = [&](std::string_view text) {
            return line.find('"' + cobus::detail::base64_of(text) + '"') != std::string::npos;
        };
        CHECK(has("dlq.orders"));
        CHECK(has("a large payload"));
        CHECK(has("cobus-dlq-reason"));
        CHECK(line.back() == '}');
    }
    CHECK(count == 2);
    CHECK(log.with("parked in").size() == 1);
}
