#include "kafka_server.hpp"
#include "log_book.hpp"
#include "plain_client.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

// How long things take at most, whatever Kafka does. A frozen broker is silent as one behind a
// network that drops all packets is: connections stay, and nothing comes.

namespace limits_test {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;
namespace net = cobus::net;

struct measurement {
    std::string place;
    std::uint64_t number = 0;
};

} // namespace limits_test

template <> struct cobus::contract<limits_test::measurement> {
    using event = limits_test::measurement;
    static constexpr std::string_view type = "measurement", topic = "limits";
    static constexpr auto key = &event::place;
    static constexpr auto fields =
        cobus::fields(field("place", &event::place), field("number", &event::number));
    using codec = cobus::json_codec;
};

namespace limits_test {

/// A bus on a Kafka of its own, brought into a state, with publishes under way.
class scene {
public:
    explicit scene(cobus::policy when_away, cobus::test::kafka_options cluster = {})
        : server(std::move(cluster)), when_away_(when_away) {}

    void start(bool required = false) {
        cobus::settings how;
        how.kafka(true)
            .require_kafka(required)
            .brokers(server.brokers())
            .client_id("limits")
            .when_away(when_away_)
            .logger(log.logger());
        bus.emplace(context.get_executor(), how, cobus::kafka());
        reader = bus->on<measurement>("reader", [this](const measurement&) { ++handled; });
        bus->start([this](std::error_code) { started = true; });
    }
    void until_state(cobus::state wanted) {
        until([this, wanted] { return bus->health().what == wanted; });
    }
    void until(const std::function<bool()>& true_now) {
        const auto deadline = steady::now() + 60s;
        while (!true_now()) {
            REQUIRE(steady::now() < deadline);
            context.run_one_for(5ms);
        }
    }
    void go_on(std::chrono::milliseconds time) {
        const auto end = steady::now() + time;
        while (steady::now() < end) {
            context.run_one_until(end);
        }
    }
    void publish(std::string place = "a") {
        ++asked;
        measurement event{std::move(place), asked};
        bus->publish(event,
                     [this, begin = steady::now()](std::error_code ec, const cobus::receipt&) {
                         ++answered;
                         failed += ec ? 1U : 0U;
                         longest = (std::max)(longest, steady::now() - begin);
                     });
    }
    /// How long `stop(5s)` takes.
    [[nodiscard]] auto stop() -> steady::duration {
        const auto begin = steady::now();
        std::optional<steady::duration> took;
        bus->stop(5s, [&](std::error_code) { took = steady::now() - begin; });
        until([&took] { return took.has_value(); });
        return *took;
    }
    /// How long it takes until the bus and all that it had are gone.
    [[nodiscard]] auto destroy() -> steady::duration {
        reader = {};
        const auto begin = steady::now();
        bus.reset();
        while (context.run_one_for(10s) != 0) {
        }
        return steady::now() - begin;
    }

    cobus::test::kafka_server server;
    cobus::test::log_book log;
    net::io_context context{1};
    std::optional<cobus::bus> bus;
    cobus::subscription reader;
    std::size_t asked = 0, answered = 0, failed = 0, handled = 0;
    bool started = false;
    steady::duration longest{0};

private:
    cobus::policy when_away_;
};

/// What the bus was brought into before it has to end.
struct ending {
    const char* name;
    std::function<void(scene&)> bring;
};

const ending endings[] = {{"connected",
                           [](scene& one) {
                               one.start();
                               one.until_state(cobus::state::connected);
                           }},
                          {"connecting, nothing answers",
                           [](scene& one) {
                               one.server.freeze();
                               one.start();
                               one.go_on(200ms);
                           }},
                          {"degraded, refused",
                           [](scene& one) {
                               one.start();
                               one.until_state(cobus::state::connected);
                               one.server.kill();
                               one.publish();
                               one.until_state(cobus::state::degraded);
                           }},
                          {"just gone silent",
                           [](scene& one) {
                               one.start();
                               one.until_state(cobus::state::connected);
                               one.server.freeze();
                           }},
                          {"degraded, silent",
                           [](scene& one) {
                               one.start();
                               one.until_state(cobus::state::connected);
                               one.server.freeze();
                               one.publish();
                               one.until_state(cobus::state::degraded);
                           }},
                          {"failed", [](scene& one) {
                               one.server.kill();
                               one.start(true);
                               one.until([&one] { return one.started; });
                           }}};

} // namespace limits_test

TEST_CASE("stop ends within its limit and half a second from every state, and all is answered") {
    for (const limits_test::ending& each : limits_test::endings) {
        CAPTURE(each.name);
        limits_test::scene one(cobus::policy::wait);
        each.bring(one);
        for (int i = 0; i < 100; ++i) {
            one.publish();
        }
        CHECK(one.stop() < std::chrono::milliseconds(5500));
        CHECK(one.answered == one.asked);
    }
}

TEST_CASE("a bus is gone within a second from every state, and all is answered") {
    for (const limits_test::ending& each : limits_test::endings) {
        CAPTURE(each.name);
        limits_test::scene one(cobus::policy::wait);
        each.bring(one);
        for (int i = 0; i < 100; ++i) {
            one.publish();
        }
        CHECK(one.destroy() < std::chrono::seconds(1));
        CHECK(one.answered == one.asked);
    }
}

TEST_CASE("when Kafka falls silent, a publish is answered within four seconds") {
    for (const cobus::policy what : {cobus::policy::deliver_and_spool, cobus::policy::spool,
                                     cobus::policy::deliver, cobus::policy::fail}) {
        CAPTURE(static_cast<int>(what));
        limits_test::scene one(what);
        one.start();
        one.until_state(cobus::state::connected);
        one.publish();
        one.until([&one] { return one.answered == 1; });
        one.server.freeze();
        for (int i = 0; i < 40; ++i) {
            one.publish();
            one.go_on(std::chrono::milliseconds(100));
        }
        one.until([&one] { return one.answered == one.asked; });
        CHECK(one.longest < std::chrono::seconds(4));
        one.server.thaw();
        CHECK(one.stop() < std::chrono::milliseconds(5500));
    }
}

TEST_CASE("when one broker of three freezes, what is kept is answered within four seconds on all "
          "partitions") {
    // The other two acknowledge nothing until they notice that it keeps no replica up to date.
    cobus::test::kafka_options cluster;
    cluster.brokers = 3;
    cluster.properties = {"broker.session.timeout.ms=9000"};
    limits_test::scene one(cobus::policy::spool, cluster);
    cobus::test::plain_create_topic(one.server.brokers(), "limits", 6, 3);
    one.start();
    one.until_state(cobus::state::connected);
    const auto publish_to_all = [&one] {
        for (int i = 0; i < 24; ++i) {
            one.publish("place " + std::to_string(i));
        }
    };
    publish_to_all();
    // From now on brokers have fetches to answer, so that not all of Kafka is silent.
    one.until([&one] { return one.answered == one.asked && one.handled == one.asked; });
    one.longest = {};
    one.server.freeze(3);
    for (int i = 0; i < 40; ++i) {
        publish_to_all();
        one.go_on(std::chrono::milliseconds(100));
    }
    one.until([&one] { return one.answered == one.asked; });
    MESSAGE("answered within "
            << std::chrono::duration_cast<std::chrono::milliseconds>(one.longest).count() << " ms");
    CHECK(one.longest < std::chrono::seconds(4));
    CHECK(one.failed == 0);
    one.server.thaw(3);
    one.until_state(cobus::state::connected);
    CHECK(one.bus->health().kept.messages == 0);
    CHECK(one.stop() < std::chrono::milliseconds(5500));
}
