#include <cobus/degrade/ages.hpp>
#include <cobus/degrade/route_gates.hpp>
#include <cobus/degrade/route_set.hpp>
#include <cobus/detail/intern.hpp>
#include <cobus/error.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <utility>

using namespace std::chrono_literals;

namespace route_gate_tests {

using cobus::probed;
using cobus::topic_partition;
using cobus::degrade::ages;
using cobus::degrade::route_gates;
using cobus::degrade::route_set;
using steady = std::chrono::steady_clock;

const std::string* const topic = cobus::detail::intern("t");
const std::string* const other = cobus::detail::intern("u");

auto trouble(std::int32_t partition, std::string why = "mute") -> cobus::route_trouble {
    return {{topic, partition}, cobus::make_error_code(cobus::errc::unavailable), std::move(why)};
}

TEST_CASE("a gate stays closed for a second, and opens on an answer only") {
    route_gates gates(1s);
    const steady::time_point start{1h};
    CHECK(gates.away(trouble(1), start));
    CHECK_FALSE(gates.away(trouble(1, "again"), start + 10ms));
    CHECK(gates.all().begin()->second.why == "mute"); // the first says it
    CHECK(gates.open(start + 10s).empty());
    gates.answered({topic, 1});
    gates.answered({topic, 2}); // nobody asked
    SUBCASE("it opens") {
        CHECK(gates.due() == start + 1s);
        CHECK(gates.open(start + 999ms).empty());
        const auto opened = gates.open(start + 1s);
        REQUIRE(opened.size() == 1);
        CHECK(opened[0] == topic_partition{topic, 1});
        CHECK(gates.all().empty());
        CHECK(gates.due() == (steady::time_point::max)());
    }
    SUBCASE("an answer before it was said to be away once more does not count") {
        (void)gates.away(trouble(1), start + 500ms);
        CHECK(gates.open(start + 2s).empty());
        CHECK(gates.closed({topic, 1}));
    }
}

TEST_CASE("a closed route is asked once a second, until it answers") {
    route_gates gates(1s);
    const steady::time_point start{1h};
    const topic_partition where{topic, 1};
    (void)gates.away(trouble(1), start);
    CHECK_FALSE(gates.asks(where, start + 999ms));
    CHECK(gates.asks(where, start + 1s));
    gates.asked(where, probed::under_way, start + 1s);
    CHECK(gates.asks(where, start + 1250ms)); // what became of it
    gates.asked(where, probed::unanswered, start + 1500ms);
    CHECK_FALSE(gates.asks(where, start + 2499ms));
    CHECK(gates.asks(where, start + 2500ms));
    gates.asked(where, probed::answered, start + 2500ms);
    CHECK_FALSE(gates.asks(where, start + 5s));
    CHECK(gates.open(start + 2500ms).size() == 1);
    CHECK_FALSE(gates.asks(where, start + 5s));
}

TEST_CASE("whatever happens, a gate opens after an answer and a second, and only then") {
    for (unsigned seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        route_gates gates(1s);
        struct model {
            steady::time_point since;
            bool answered = false;
        };
        std::map<std::int32_t, model> closed;
        steady::time_point now{1h};
        for (int step = 0; step < 500; ++step) {
            now += std::chrono::milliseconds(random() % 300);
            const auto partition = static_cast<std::int32_t>(random() % 4);
            switch (random() % 4) {
            case 0: {
                const bool is_new = closed.try_emplace(partition, model{now}).second;
                closed[partition].answered = false;
                REQUIRE(gates.away(trouble(partition), now) == is_new);
                break;
            }
            case 1:
                gates.answered({topic, partition});
                if (closed.contains(partition)) {
                    closed[partition].answered = true;
                }
                break;
            case 2:
                if (gates.asks({topic, partition}, now)) {
                    REQUIRE(closed.contains(partition));
                    const bool well = random() % 2 == 0;
                    gates.asked({topic, partition}, well ? probed::answered : probed::unanswered,
                                now);
                    closed[partition].answered = well;
                }
                break;
            default:
                for (const topic_partition& each : gates.open(now)) {
                    REQUIRE(closed.contains(each.partition));
                    REQUIRE(closed[each.partition].answered);
                    REQUIRE(now - closed[each.partition].since >= 1s);
                    closed.erase(each.partition);
                }
                for (const auto& [left, how] : closed) {
                    REQUIRE_FALSE((how.answered && now - how.since >= 1s));
                }
                break;
            }
            REQUIRE(gates.all().size() == closed.size());
        }
    }
}

TEST_CASE("a set of routes knows those whose partition is not certain") {
    route_set some;
    CHECK(some.empty());
    CHECK_FALSE(some.contains(topic, -1));
    some.add({topic, 2});
    some.add({topic, 2});
    some.add({topic, 0});
    CHECK(some.contains(topic, 0));
    CHECK(some.contains(topic, 2));
    CHECK_FALSE(some.contains(topic, 1));
    CHECK(some.contains(topic, -1)); // it may go there
    CHECK_FALSE(some.contains(other, 2));
    CHECK(some.other(topic, 3, 0) == 1);
    CHECK(some.other(topic, 3, 2) == 1);
    CHECK(some.other(other, 3, 2) == 2);
    CHECK(some.other(topic, 0, 2) == -1);
    some.add({topic, -1});
    CHECK(some.contains(topic, 1));
    CHECK(some.other(topic, 3, 0) == -1);
    some.remove({topic, -1});
    some.remove({topic, 2});
    CHECK_FALSE(some.contains(topic, 2));
    some.remove({topic, 0});
    CHECK(some.empty());
}

TEST_CASE("an age is never more than the truth, and less by the time between two looks at most") {
    for (unsigned seed = 1; seed <= 100; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        ages known;
        int wrong = 0;
        std::deque<steady::time_point> made; // of number 0, 1, …
        steady::time_point now{1h};
        for (int step = 0; step < 300; ++step) {
            now += 250ms;
            for (auto i = random() % 3; i > 0; --i) {
                made.push_back(now - std::chrono::milliseconds(random() % 250));
            }
            std::sort(made.begin(), made.end());
            known.mark(now, made.size());
            for (std::size_t i = 0; i < made.size(); ++i) {
                const auto age = known.of(i, now);
                wrong += age > now - made[i] ? 1 : 0;
                wrong += age <= now - made[i] - 250ms && age < 15s ? 1 : 0;
            }
            REQUIRE(wrong == 0);
            REQUIRE(known.of(made.size(), now) == 0ms);
        }
    }
}

} // namespace route_gate_tests
