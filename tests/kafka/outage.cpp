#include "kafka_server.hpp"
#include "log_book.hpp"
#include "plain_client.hpp"
#include "run.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>

#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

// A bus and its Kafka, which comes late, is killed, and comes back.

namespace {

struct reading {
    std::string sensor;
    std::uint64_t number = 0;
};

} // namespace

template <> struct cobus::contract<reading> {
    static constexpr std::string_view type = "reading", topic = "readings";
    static constexpr auto key = &reading::sensor;
    static constexpr auto wire = cobus::wire::plain();
    static constexpr auto fields =
        cobus::fields(field("sensor", &reading::sensor), field("number", &reading::number));
    using codec = cobus::json_codec;
};

namespace {

using namespace std::chrono_literals;
using cobus::test::kafka_server;
using cobus::test::log_book;
using cobus::test::run;
using cobus::test::until;
using steady = std::chrono::steady_clock;
namespace net = cobus::net;

constexpr std::chrono::seconds patience(120);

/// A Kafka of the test's own, to which things are done on a thread of their own, so that the bus
/// goes on meanwhile. That thread lives as long as the server, which would end with it.
class broken_kafka {
public:
    auto kill() -> net::awaitable<void> {
        return act([this] { server_.kill(); });
    }
    auto restart() -> net::awaitable<void> {
        return act([this] { server_.restart(); });
    }
    auto freeze() -> net::awaitable<void> {
        return act([this] { server_.freeze(); });
    }
    [[nodiscard]] auto brokers() const -> std::string { return server_.brokers(); }

private:
    auto act(std::function<void()> what) -> net::awaitable<void> {
        std::future<void> done = asio::post(thread_, asio::use_future(std::move(what)));
        co_await until([&done] { return done.wait_for(0s) == std::future_status::ready; },
                       patience);
        done.get();
    }

    asio::thread_pool thread_{1};
    kafka_server server_;
};

auto how(const broken_kafka& server, log_book& log, cobus::policy when_away) -> cobus::settings {
    cobus::settings made;
    made.kafka(true)
        .brokers(server.brokers())
        .client_id("outage")
        .when_away(when_away)
        .logger(log.logger())
        .property("fetch.wait.max.ms", "10")
        .property("session.timeout.ms", "6000");
    return made;
}

auto becomes(const cobus::bus& bus, cobus::state wanted) -> net::awaitable<void> {
    co_await until([&bus, wanted] { return bus.health().what == wanted; }, patience);
}

/// What is in the topic: by sensor, the numbers in the order of their first copies.
auto first_copies(const broken_kafka& server, const std::string& topic)
    -> std::map<std::string, std::vector<std::uint64_t>> {
    std::map<std::string, std::vector<std::uint64_t>> all;
    std::set<std::pair<std::string, std::uint64_t>> known;
    const std::size_t count = cobus::test::plain_count(server.brokers(), topic);
    for (const auto& message : cobus::test::plain_consume(server.brokers(), topic, count, 120s)) {
        reading event;
        REQUIRE(cobus::json_codec::decode(message.payload, event).ok());
        CHECK(message.key == event.sensor);
        if (known.emplace(event.sensor, event.number).second) {
            all[event.sensor].push_back(event.number);
        }
    }
    return all;
}

/// Keeps the books of publishing: many events of some sensors, a number under way at once.
class publishing {
public:
    publishing(cobus::bus& bus, std::size_t most) : bus_(&bus), most_(most) {}

    /// Publishes until told to end, and waits for all answers.
    auto go_on() -> net::awaitable<void> {
        net::steady_timer pause(co_await net::this_coro::executor);
        while (!ending_) {
            for (int burst = 50; under_way_ < most_ && burst > 0; --burst) {
                one();
            }
            pause.expires_after(1ms);
            co_await pause.async_wait(net::use_awaitable);
        }
        co_await until([this] { return under_way_ == 0; }, patience);
    }
    void end() { ending_ = true; }

    [[nodiscard]] auto published() const noexcept -> std::uint64_t { return next_; }
    [[nodiscard]] auto answered() const noexcept -> std::uint64_t { return next_ - under_way_; }
    [[nodiscard]] auto went(cobus::path way) const -> std::size_t {
        const auto found = by_way_.find(way);
        return found != by_way_.end() ? found->second.size() : 0;
    }
    /// By sensor, in the order of publishing.
    [[nodiscard]] auto that_went(cobus::path way) const
        -> std::map<std::string, std::vector<std::uint64_t>> {
        std::map<std::string, std::vector<std::uint64_t>> all;
        if (const auto found = by_way_.find(way); found != by_way_.end()) {
            for (const std::uint64_t number : found->second) { // a set: ascending
                all[sensor(number)].push_back(number);
            }
        }
        return all;
    }
    [[nodiscard]] auto failures() const -> const std::map<std::string, std::size_t>& {
        return failures_;
    }
    /// The longest that one took.
    [[nodiscard]] auto longest() const noexcept -> std::chrono::milliseconds { return longest_; }

private:
    static constexpr std::uint64_t sensors = 20;

    static auto sensor(std::uint64_t number) -> std::string {
        return "sensor-" + std::to_string(number % sensors);
    }
    void one() {
        const std::uint64_t number = next_++;
        reading event{sensor(number), number};
        ++under_way_;
        bus_->publish(event, [this, number, begin = steady::now()](std::error_code ec,
                                                                   const cobus::receipt& where) {
            --under_way_;
            longest_ = std::max(longest_, std::chrono::duration_cast<std::chrono::milliseconds>(
                                              steady::now() - begin));
            if (ec) {
                ++failures_[ec.message()];
            } else {
                by_way_[where.way()].insert(number);
                CHECK(where.durable() == (where.way() == cobus::path::kafka));
                CHECK(where.degraded() == (where.way() == cobus::path::memory));
            }
        });
    }

    cobus::bus* bus_;
    std::size_t most_;
    bool ending_ = false;
    std::uint64_t next_ = 0;
    std::uint64_t under_way_ = 0;
    std::map<cobus::path, std::set<std::uint64_t>> by_way_;
    std::map<std::string, std::size_t> failures_;
    std::chrono::milliseconds longest_{0};
};

/// All that went to Kafka is there, each sensor's in order of publishing.
void check_topic(const broken_kafka& server, const std::string& topic, const publishing& books) {
    const auto found = first_copies(server, topic);
    std::size_t missing = 0;
    for (const auto& [sensor, numbers] : books.that_went(cobus::path::kafka)) {
        const auto there = found.find(sensor);
        REQUIRE(there != found.end());
        CHECK(std::ranges::is_sorted(there->second));
        const std::set<std::uint64_t> all(there->second.begin(), there->second.end());
        missing += static_cast<std::size_t>(std::ranges::count_if(
            numbers, [&all](std::uint64_t number) { return !all.contains(number); }));
    }
    CHECK(missing == 0);
}

} // namespace

TEST_CASE("started without Kafka, a bus works in process at once and moves over by itself") {
    broken_kafka server;
    log_book log;
    net::io_context context;
    std::size_t in_process = 0;
    std::multiset<std::uint64_t> handled;
    std::size_t stayed = 0;
    run(
        context,
        [&]() -> net::awaitable<void> {
            co_await server.kill();
            cobus::bus bus(context.get_executor(), how(server, log, cobus::policy::deliver),
                           cobus::kafka());
            auto reader =
                bus.on<reading>("reader", [&](const reading& event, const cobus::context& where) {
                    handled.insert(event.number);
                    in_process += static_cast<std::size_t>(where.in_process());
                });
            const auto begin = steady::now();
            co_await bus.start();
            reading first{"s", 0};
            const cobus::receipt receipt = co_await bus.publish(first);
            CHECK(steady::now() - begin < 3s);
            CHECK(receipt.way() == cobus::path::memory);
            CHECK(receipt.degraded());
            CHECK(bus.health().what == cobus::state::degraded);
            CHECK(bus.health().why.find(server.brokers()) != std::string::npos);
            for (stayed = 1; stayed < 100; ++stayed) {
                reading event{"s", stayed};
                CHECK((co_await bus.publish(event)).way() == cobus::path::memory);
            }
            co_await until([&] { return handled.size() == 100; });
            CHECK(in_process == 100);

            co_await server.restart();
            co_await becomes(bus, cobus::state::connected);
            reading last{"s", 100};
            const cobus::receipt moved = co_await bus.publish(last);
            CHECK(moved.way() == cobus::path::kafka);
            CHECK_FALSE(moved.degraded());
            co_await until([&] { return handled.size() == 101; });
            CHECK(in_process == 100);
            co_await bus.stop();
        },
        patience);
    CAPTURE(log.text());
    CHECK(handled.count(100) == 1);
    const auto away = log.with(" is away (");
    REQUIRE(away.size() == 1);
    CHECK(away[0].level == cobus::log_level::warning);
    CHECK(away[0].text.find("Kafka at " + server.brokers()) == 0);
    CHECK(away[0].text.find("delivered in process until it answers") != std::string::npos);
    CHECK(log.with("answers again after").size() == 1);
    CHECK(log.with("; 100 events stayed in process").size() == 1);
    // The reader may look for its topic before the first event makes it, which is said, too.
    CHECK(log.lines().size() == 2 + log.with("Subscribed topic not available").size());
}

TEST_CASE("a broker killed under policy `wait` costs time and nothing else") {
    broken_kafka server;
    log_book log;
    net::io_context context;
    std::unique_ptr<publishing> books;
    run(
        context,
        [&]() -> net::awaitable<void> {
            cobus::bus bus(context.get_executor(), how(server, log, cobus::policy::wait),
                           cobus::kafka());
            co_await bus.start();
            books = std::make_unique<publishing>(bus, 2'000);
            net::co_spawn(context, books->go_on(), net::detached);
            for (int outage = 1; outage <= 3; ++outage) {
                const std::uint64_t mark = books->answered() + 10'000;
                co_await until([&] { return books->answered() >= mark; }, patience);
                co_await server.kill();
                co_await becomes(bus, cobus::state::degraded);
                co_await server.restart();
                co_await becomes(bus, cobus::state::connected);
            }
            const std::uint64_t mark = books->answered() + 10'000;
            co_await until([&] { return books->answered() >= mark; }, patience);
            books->end();
            co_await until([&] { return books->answered() == books->published(); }, patience);
            co_await bus.stop();
        },
        patience);
    CAPTURE(log.text());
    CHECK(books->failures().empty());
    CHECK(books->went(cobus::path::kafka) == books->published());
    check_topic(server, "readings", *books);
    CHECK(log.with("is away").size() == 3);
    CHECK(log.with("publishers wait for it").size() == 3);
    CHECK(log.with("answers again").size() == 3);
    CHECK(log.with("stayed in process").empty());
}

TEST_CASE("under policy `wait`, what the client gave up during a long outage keeps its order") {
    broken_kafka server;
    log_book log;
    net::io_context context;
    std::unique_ptr<publishing> books;
    run(
        context,
        [&]() -> net::awaitable<void> {
            // The client gives up sooner than the outage ends.
            auto settings = how(server, log, cobus::policy::wait).delivery_timeout(1500ms);
            cobus::bus bus(context.get_executor(), settings, cobus::kafka());
            co_await bus.start();
            books = std::make_unique<publishing>(bus, 2'000);
            net::co_spawn(context, books->go_on(), net::detached);
            co_await until([&] { return books->answered() >= 5'000; }, patience);
            co_await server.kill();
            co_await becomes(bus, cobus::state::degraded);
            net::steady_timer outage(context, 3s);
            co_await outage.async_wait(net::use_awaitable);
            co_await server.restart();
            co_await becomes(bus, cobus::state::connected);
            const std::uint64_t mark = books->answered() + 10'000;
            co_await until([&] { return books->answered() >= mark; }, patience);
            books->end();
            co_await until([&] { return books->answered() == books->published(); }, patience);
            co_await bus.stop();
        },
        patience);
    CAPTURE(log.text());
    // What was being sent when the broker died may be there or not, and says so; nothing else may
    // fail.
    for (const auto& [what, count] : books->failures()) {
        CHECK(what == make_error_code(cobus::errc::maybe_sent).message());
        CHECK(count <= 2'000);
    }
    check_topic(server, "readings", *books);
}

namespace {

/// The number before these words in the only line that has them.
auto count_before(const log_book& log, std::string_view words) -> std::size_t {
    const auto lines = log.with(words);
    REQUIRE(lines.size() == 1);
    const std::string& text = lines[0].text;
    const std::size_t end = text.find(words);
    std::size_t count = 0;
    std::from_chars(&text[text.rfind(' ', end - 1) + 1], &text[end], count);
    return count;
}

} // namespace

TEST_CASE("a broker killed under policy `deliver`: publishing goes on in process and returns") {
    broken_kafka server;
    log_book log;
    net::io_context context;
    std::unique_ptr<publishing> books;
    std::set<std::uint64_t> in_process;
    std::set<std::uint64_t> handled;
    run(
        context,
        [&]() -> net::awaitable<void> {
            cobus::bus bus(context.get_executor(), how(server, log, cobus::policy::deliver),
                           cobus::kafka());
            auto reader =
                bus.on<reading>("reader", [&](const reading& event, const cobus::context& where) {
                    handled.insert(event.number);
                    if (where.in_process()) {
                        CHECK(in_process.insert(event.number).second);
                    }
                });
            co_await bus.start();
            books = std::make_unique<publishing>(bus, 500);
            net::co_spawn(context, books->go_on(), net::detached);
            co_await until([&] { return books->went(cobus::path::kafka) >= 5'000; }, patience);
            CHECK(books->went(cobus::path::memory) == 0);
            co_await server.kill();
            co_await until([&] { return books->went(cobus::path::memory) >= 5'000; }, patience);
            co_await server.restart();
            co_await becomes(bus, cobus::state::connected);
            const std::size_t mark = books->went(cobus::path::kafka) + 5'000;
            co_await until([&] { return books->went(cobus::path::kafka) >= mark; }, patience);
            books->end();
            co_await until([&] { return books->answered() == books->published(); }, patience);
            const std::size_t answered =
                books->went(cobus::path::kafka) + books->went(cobus::path::memory);
            co_await until([&] { return handled.size() >= answered; }, patience);
            co_await bus.stop();
        },
        patience);
    CAPTURE(log.text());
    for (const auto& [what, count] : books->failures()) {
        CHECK(what == make_error_code(cobus::errc::maybe_sent).message());
        CHECK(count <= 500);
    }
    CHECK(in_process.size() == books->went(cobus::path::memory));
    check_topic(server, "readings", *books);
    CHECK(log.with("is away").size() == 1);
    // Those that are just being delivered when Kafka answers belong to the next line.
    const std::size_t stayed = books->went(cobus::path::memory);
    const std::size_t told = count_before(log, " events stayed in process");
    CHECK(told <= stayed);
    CHECK(told + 500 >= stayed);
    CHECK(log.with("connected to Kafka at").size() == 1);
    CHECK(books->longest() < 15s); // the client's own limit of 10 s for what it had begun with
}

TEST_CASE("under policy `fail` a publish without Kafka is refused at once") {
    broken_kafka server;
    log_book log;
    net::io_context context;
    run(
        context,
        [&]() -> net::awaitable<void> {
            cobus::bus bus(context.get_executor(), how(server, log, cobus::policy::fail),
                           cobus::kafka());
            co_await bus.start();
            reading event{"s", 1};
            CHECK((co_await bus.publish(event)).way() == cobus::path::kafka);
            co_await server.kill();
            co_await becomes(bus, cobus::state::degraded);
            const auto begin = steady::now();
            std::error_code ec;
            co_await bus.publish(event, net::redirect_error(net::use_awaitable, ec));
            CHECK(steady::now() - begin < 500ms);
            CHECK(ec == cobus::errc::unavailable);
            CHECK(ec == cobus::condition::retryable);
            co_await server.restart();
            co_await becomes(bus, cobus::state::connected);
            CHECK((co_await bus.publish(event)).way() == cobus::path::kafka);
            co_await bus.stop();
        },
        patience);
    CAPTURE(log.text());
    CHECK(log.with("publishing fails until it answers").size() == 1);
}

namespace {

/// What starting says that needs a Kafka which does not answer, and how long it takes.
void start_without(broken_kafka& server, net::io_context& context, std::string_view cause) {
    log_book log;
    run(
        context,
        [&]() -> net::awaitable<void> {
            auto settings = how(server, log, cobus::policy::deliver).require_kafka();
            cobus::bus bus(context.get_executor(), settings, cobus::kafka());
            const auto begin = steady::now();
            std::string said;
            std::error_code code;
            try {
                co_await bus.start();
            } catch (const std::system_error& failed) {
                said = failed.what();
                code = failed.code();
            }
            CAPTURE(said);
            CHECK(steady::now() - begin < 4s);
            CHECK(code == cobus::errc::kafka_required);
            CHECK(said.find(server.brokers()) != std::string::npos);
            CHECK(said.find(cause) != std::string::npos);
            CHECK(said.find("REQUIRE_KAFKA") != std::string::npos);
            co_await bus.stop();
        },
        patience);
}

} // namespace

TEST_CASE("where Kafka is required, starting without it fails and says which broker, and why") {
    broken_kafka server;
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> { co_await server.kill(); });
    context.restart();
    start_without(server, context, "refused");
}
TEST_CASE("where Kafka is required, starting fails in bounded time when it is silent") {
    broken_kafka server;
    net::io_context context;
    run(context, [&]() -> net::awaitable<void> { co_await server.freeze(); });
    context.restart();
    start_without(server, context, "no answer");
}
