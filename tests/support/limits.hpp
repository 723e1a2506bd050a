#pragma once

#include "log_book.hpp"
#include "sanitizer.hpp"
#include "temporary_folder.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>
#include <cobus/sqlite.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace cobus::test {

struct measurement {
    std::string place;
    std::uint64_t number = 0;
};

} // namespace cobus::test

template <> struct cobus::contract<cobus::test::measurement> {
    using event = cobus::test::measurement;
    static constexpr std::string_view type = "measurement", topic = "limits";
    static constexpr auto key = &event::place;
    static constexpr auto fields =
        cobus::fields(field("place", &event::place), field("number", &event::number));
    using codec = cobus::json_codec;
};

namespace cobus::test {

/// How a bus of `limits_fleet` answers while Kafka is away.
struct limits_way {
    const char* name;
    policy when_away;
    bool in_file = false; ///< the spool
};

/// A bus that counts what it answers, and how late.
class limits_bus {
public:
    using steady = std::chrono::steady_clock;

    explicit limits_bus(const limits_way& how) : way(how) {}
    limits_bus(const limits_bus&) = delete;
    auto operator=(const limits_bus&) -> limits_bus& = delete;
    ~limits_bus() {
        if (bus) {
            (void)destroy();
        }
    }

    void start(const std::string& brokers, bool required = false) {
        static int count = 0; // a group for each, or the members that died would be waited for
        settings how;
        how.kafka(true)
            .require_kafka(required)
            .brokers(brokers)
            .client_id("limits-" + std::to_string(++count))
            .when_away(way.when_away)
            .logger(log.logger());
        if (way.in_file) {
            how.spool(sqlite_spool()).spool_file((folder_.path() / "spool").string());
        }
        bus.emplace(context.get_executor(), how, cobus::kafka());
        reader_ = bus->on<measurement>("reader", [this](const measurement&) { ++handled; });
        bus->start([this](std::error_code) { started = true; });
    }
    void publish(std::string place = "a") {
        ++asked;
        measurement event{std::move(place), asked};
        bus->publish(event, [this, begin = steady::now()](std::error_code ec, const receipt&) {
            ++answered;
            failed += ec ? 1U : 0U;
            longest = (std::max)(longest, steady::now() - begin);
        });
    }
    void publish(int times) {
        for (int i = 0; i < times; ++i) {
            publish();
        }
    }
    void stop() {
        stops = true;
        bus->stop(std::chrono::seconds(5), [this, begin = steady::now()](std::error_code) {
            stopped = steady::now() - begin;
        });
    }
    /// How long it takes until the bus and all that it had are gone.
    [[nodiscard]] auto destroy() -> steady::duration {
        reader_ = {};
        const auto begin = steady::now();
        bus.reset();
        context.restart();
        while (context.run_one_for(std::chrono::seconds(10)) != 0) {
        }
        return steady::now() - begin;
    }
    [[nodiscard]] auto is(state what) const -> bool { return bus->health().what == what; }
    [[nodiscard]] auto all_answered() const -> bool { return answered == asked; }
    [[nodiscard]] auto keeps() const -> bool {
        return way.when_away == policy::spool || way.when_away == policy::deliver_and_spool;
    }

    /// For who waited in vain.
    [[nodiscard]] auto describe() const -> std::string {
        return (bus ? std::string(to_string(bus->health().what)) : "gone") + ", " +
               std::to_string(asked) + " asked, " + std::to_string(answered) + " answered, " +
               std::to_string(failed) + " failed, " + std::to_string(handled) + " handled";
    }

    const limits_way& way;
    log_book log;
    net::io_context context{1};
    std::optional<cobus::bus> bus;
    std::size_t asked = 0, answered = 0, failed = 0, handled = 0;
    bool started = false, stops = false;
    steady::duration longest{0};
    std::optional<steady::duration> stopped;

private:
    temporary_folder folder_;
    subscription reader_;
};

/// Some buses at a time on one Kafka, to which the same happens.
class limits_fleet {
public:
    using steady = std::chrono::steady_clock;

    limits_fleet(std::string brokers, std::initializer_list<const limits_way*> ways)
        : brokers_(std::move(brokers)) {
        for (const limits_way* each : ways) {
            all.push_back(std::make_unique<limits_bus>(*each));
        }
    }

    void start(bool required = false) {
        for (const auto& each : all) {
            each->start(brokers_, required);
        }
    }
    /// Until that holds for all of them.
    void until(const std::function<bool(limits_bus&)>& true_now) {
        const auto deadline = steady::now() + std::chrono::seconds(60);
        for (;;) {
            const auto those =
                std::ranges::count_if(all, [&](const auto& each) { return true_now(*each); });
            if (those == std::ssize(all)) {
                return;
            }
            REQUIRE_MESSAGE(steady::now() < deadline, describe());
            step();
        }
    }
    void until_state(state wanted) {
        until([wanted](const limits_bus& each) { return each.is(wanted); });
    }
    void go_on(std::chrono::milliseconds time) {
        const auto end = steady::now() + time;
        while (steady::now() < end) {
            step();
        }
    }
    void publish(int times = 1) {
        for (const auto& each : all) {
            each->publish(times);
        }
    }

    std::vector<std::unique_ptr<limits_bus>> all;

private:
    [[nodiscard]] auto describe() const -> std::string {
        std::string text;
        for (const auto& each : all) {
            text += std::string("\n") + each->way.name + ": " + each->describe();
        }
        return text;
    }
    void step() {
        std::size_t ran = 0;
        for (const auto& each : all) {
            if (each->context.stopped()) {
                each->context.restart();
            }
            ran += each->context.poll_one(); // so that no state between two is missed
        }
        if (ran == 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }

    std::string brokers_;
};

/// How Kafka goes, and comes back.
struct limits_outage {
    std::function<void()> begin;
    std::function<void()> end;
};

inline constexpr limits_way limits_wait{"wait", policy::wait};
inline constexpr limits_way limits_deliver{"deliver", policy::deliver};
inline constexpr limits_way limits_fail{"fail", policy::fail};
inline constexpr limits_way limits_both{"deliver_and_spool", policy::deliver_and_spool};
inline constexpr limits_way limits_both_file{"deliver_and_spool, file", policy::deliver_and_spool,
                                             true};
inline constexpr limits_way limits_spool{"spool", policy::spool};
inline constexpr limits_way limits_spool_file{"spool, file", policy::spool, true};

/// What buses were brought into before they have to end.
struct limits_ending {
    const char* name;
    /// Begins and ends with Kafka as it should be; the outage at its end is ended later.
    std::function<void(limits_fleet&, const limits_outage&)> bring;
};

/// Those that any outage can bring about.
[[nodiscard]] inline auto limits_endings() -> std::vector<limits_ending> {
    const auto connect = [](limits_fleet& fleet) {
        fleet.start();
        fleet.until_state(state::connected);
    };
    return {{"connected", [=](limits_fleet& fleet, const limits_outage&) { connect(fleet); }},
            {"connecting",
             [](limits_fleet& fleet, const limits_outage& outage) {
                 outage.begin();
                 fleet.start();
                 fleet.go_on(std::chrono::milliseconds(200));
             }},
            {"just gone",
             [=](limits_fleet& fleet, const limits_outage& outage) {
                 connect(fleet);
                 outage.begin();
             }},
            {"degraded", [=](limits_fleet& fleet, const limits_outage& outage) {
                 connect(fleet);
                 outage.begin();
                 fleet.publish();
                 fleet.until_state(state::degraded);
             }}};
}

inline void limits_check_stop(limits_bus& one) {
    CAPTURE(std::string(one.way.name));
    CHECK(*one.stopped < std::chrono::milliseconds(5500));
    CHECK(one.all_answered());
}

inline void limits_check_destroy(limits_bus& one) {
    CAPTURE(std::string(one.way.name));
    CHECK(one.destroy() < std::chrono::seconds(thread_sanitizer ? 3 : 1));
    CHECK(one.all_answered());
}

/// Half of the fleet is destroyed with publishes under way, and half is stopped.
inline void limits_end(limits_fleet& fleet) {
    fleet.publish(100);
    const auto half = fleet.all.begin() + static_cast<std::ptrdiff_t>(fleet.all.size() / 2);
    std::for_each(fleet.all.begin(), half, [](const auto& each) { limits_check_destroy(*each); });
    fleet.all.erase(fleet.all.begin(), half);
    for (const auto& each : fleet.all) {
        each->stop();
    }
    fleet.until([](const limits_bus& each) { return each.stopped.has_value(); });
    for (const auto& each : fleet.all) {
        limits_check_stop(*each);
    }
}

/// A fleet of each policy, twice, ends in a state.
inline void limits_end_in(const limits_ending& which, const std::string& brokers,
                          const limits_outage& outage) {
    CAPTURE(std::string(which.name));
    {
        limits_fleet fleet(brokers,
                           {&limits_wait, &limits_both, &limits_both_file, &limits_spool_file,
                            &limits_wait, &limits_both, &limits_both_file, &limits_spool_file});
        which.bring(fleet, outage);
        limits_end(fleet);
    }
    outage.end();
}

/// Each bus ends when Kafka is back and gets what was kept for it.
inline void limits_end_recovering(const std::string& brokers, const limits_outage& outage) {
    limits_fleet fleet(brokers,
                       {&limits_both, &limits_both_file, &limits_spool, &limits_spool_file,
                        &limits_both, &limits_both_file, &limits_spool, &limits_spool_file});
    fleet.start();
    fleet.until_state(state::connected);
    outage.begin();
    fleet.publish();
    fleet.until_state(state::degraded);
    fleet.publish(2000); // which only the spool has
    fleet.until([](const limits_bus& each) { return each.all_answered(); });
    outage.end();
    std::size_t ended = 0;
    fleet.until([&](limits_bus& each) {
        if (each.bus && !each.stops && each.is(state::recovering)) {
            each.publish(100);
            if (++ended > fleet.all.size() / 2) {
                each.stop();
            } else {
                limits_check_destroy(each);
            }
        }
        return !each.bus || each.stopped;
    });
    CHECK(ended == fleet.all.size());
    for (const auto& each : fleet.all) {
        if (each->bus) {
            limits_check_stop(*each);
        }
    }
}

/// Publishes go on through an outage and what follows it.
inline void limits_answer(const std::string& brokers, const limits_outage& outage) {
    limits_fleet fleet(brokers, {&limits_both, &limits_both_file, &limits_spool, &limits_spool_file,
                                 &limits_deliver, &limits_fail});
    fleet.start();
    fleet.until_state(state::connected);
    fleet.publish();
    fleet.until([](const limits_bus& each) { return each.all_answered(); });
    for (const auto& each : fleet.all) {
        each->longest = {};
    }
    constexpr std::chrono::milliseconds pause(100);
    outage.begin();
    for (int i = 0; i < 70; ++i) { // what Kafka's client has at the decision is answered meanwhile
        fleet.publish();
        fleet.go_on(pause);
    }
    outage.end();
    bool back = false;
    const auto patience = limits_bus::steady::now() + std::chrono::seconds(60);
    while (!back) {
        REQUIRE(limits_bus::steady::now() < patience);
        fleet.publish();
        fleet.go_on(pause);
        back = std::ranges::all_of(fleet.all,
                                   [](const auto& each) { return each->is(state::connected); });
    }
    fleet.until([](const limits_bus& each) { return each.all_answered(); });
    for (const auto& each : fleet.all) {
        CAPTURE(std::string(each->way.name));
        CHECK(each->longest < std::chrono::seconds(4));
        CHECK((each->failed == 0 || !each->keeps()));
        each->stop();
    }
    fleet.until([](const limits_bus& each) { return each.stopped.has_value(); });
    for (const auto& each : fleet.all) {
        limits_check_stop(*each);
    }
}

} // namespace cobus::test
