#include <cobus/middleware/deduplication.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <string>

using cobus::deduplication_limits;
using cobus::event_identity;
using cobus::memory_deduplication;
using cobus::time_point;
using cobus::detail::deduplication_window;
using namespace std::chrono_literals;
using answer = cobus::deduplication_store::answer;

namespace {

const time_point window_start{1000h};

} // namespace

TEST_CASE("an event is claimed once, and handled before after it was confirmed") {
    deduplication_window window{deduplication_limits()};
    CHECK(window.claim("a", 1, window_start).what == answer::run);
    CHECK(window.claim("a", 2, window_start).what == answer::busy);
    CHECK(window.claim("b", 2, window_start).what == answer::run);
    window.confirm("a", window_start);
    CHECK(window.claim("a", 2, window_start).what == answer::done);
    CHECK(window.claim("a", 1, window_start).what == answer::done);
}

TEST_CASE("an event whose first try failed is run again, by whoever comes") {
    deduplication_window window{deduplication_limits()};
    CHECK(window.claim("a", 1, window_start).what == answer::run);
    window.release("a", 1);
    CHECK(window.claim("a", 2, window_start).what == answer::run);
    CHECK(window.claim("a", 2, window_start).what == answer::run); // its own claim
    CHECK(window.size() == 1);
}

TEST_CASE("nobody gives back what is another's, or handled") {
    deduplication_window window{deduplication_limits()};
    CHECK(window.claim("a", 1, window_start).what == answer::run);
    window.release("a", 2);
    CHECK(window.claim("a", 2, window_start).what == answer::busy);
    window.confirm("a", window_start);
    window.release("a", 1);
    CHECK(window.claim("a", 2, window_start).what == answer::done);
    window.release("unknown", 1);
}

TEST_CASE("a claim that nobody ends holds until its lease is over") {
    deduplication_window window{deduplication_limits().lease(10s)};
    CHECK(window.claim("a", 1, window_start).what == answer::run);
    const auto busy = window.claim("a", 2, window_start + 9s);
    CHECK(busy.what == answer::busy);
    CHECK(busy.until == window_start + 10s);
    CHECK(window.claim("a", 2, window_start + 10s).what == answer::run);
    window.release("a", 1); // too late, it is the other's
    CHECK(window.claim("a", 3, window_start + 11s).what == answer::busy);
    window.confirm("a", window_start + 12s); // but success counts, whoever had it
    CHECK(window.claim("a", 3, window_start + 12s).what == answer::done);
}

TEST_CASE("the window is bounded in age and in number, and claims are not pushed out") {
    deduplication_window window{deduplication_limits().events(3).age(1h)};
    CHECK(window.claim("claimed", 1, window_start).what == answer::run);
    for (int i = 0; i < 10; ++i) {
        const std::string key = std::to_string(i);
        CHECK(window.claim(key, 1, window_start).what == answer::run);
        window.confirm(key, window_start);
    }
    CHECK(window.size() == 4);
    CHECK(window.claim("6", 2, window_start).what == answer::run);
    window.release("6", 2);
    CHECK(window.claim("7", 2, window_start).what == answer::done);
    CHECK(window.claim("claimed", 2, window_start).what == answer::busy);
    CHECK(window.claim("9", 2, window_start + 1h).what == answer::run);
    CHECK(window.size() == 1);
}

TEST_CASE("it answers as a plain table of all events would") {
    struct state {
        bool done = false;
        std::uint64_t owner = 0; // 0: nobody's
        time_point until;
    };
    const auto lease = 50ms;
    const auto age = 400ms;
    std::mt19937_64 random(7);
    deduplication_window window{deduplication_limits().lease(lease).age(age)};
    std::map<std::string, state> all;
    auto now = window_start;
    for (int i = 0; i < 100'000; ++i) {
        now += std::chrono::milliseconds(random() % 3);
        const std::string key = std::to_string(random() % 40);
        const std::uint64_t owner = 1 + random() % 3;
        state& known = all[key];
        if ((known.done || known.owner != 0) && known.until <= now) {
            known = state();
        }
        switch (random() % 4) {
        case 0:
            window.confirm(key, now);
            if (!known.done) {
                known = {true, 0, now + age};
            }
            break;
        case 1: {
            const answer said = window.claim(key, owner, now).what; // forgets what is over first
            window.release(key, owner);
            const bool free = known.owner == 0 || known.owner == owner;
            REQUIRE(said == (known.done ? answer::done : free ? answer::run : answer::busy));
            if (!known.done && free) {
                known = state();
            }
            break;
        }
        default: {
            const auto said = window.claim(key, owner, now);
            if (known.done) {
                REQUIRE(said.what == answer::done);
            } else if (known.owner != 0 && known.owner != owner) {
                REQUIRE(said.what == answer::busy);
                REQUIRE(said.until == known.until);
            } else {
                REQUIRE(said.what == answer::run);
                known = {false, owner, now + lease};
            }
        }
        }
    }
}

TEST_CASE("identities that only look alike are told apart") {
    memory_deduplication store;
    store.confirm({"group/ab", "c", "d"}, window_start);
    for (const event_identity& other :
         {event_identity{"group/a", "bc", "d"}, event_identity{"group/ab", "cd", ""},
          event_identity{"group/ab", "", "cd"}, event_identity{"group/ab", "c", "e"},
          event_identity{"other/ab", "c", "d"}}) {
        CHECK(store.claim(other, 1, window_start).what == answer::run);
    }
    CHECK(store.claim({"group/ab", "c", "d"}, 1, window_start).what == answer::done);
}
