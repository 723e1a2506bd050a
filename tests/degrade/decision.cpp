#include <cobus/degrade/announce.hpp>
#include <cobus/degrade/decision.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <random>
#include <string>

using namespace std::chrono_literals;
using link_is = cobus::link;
using cobus::link_state;
using cobus::state;
using steady = std::chrono::steady_clock;
using cobus::degrade::decision;
using cobus::degrade::decision_rules;

namespace {

constexpr steady::time_point zero{};

auto started(bool required = false) -> decision {
    decision made(decision_rules{3000ms, 1000ms, required});
    made.start(zero);
    return made;
}
auto seen(link_is what, std::string detail = {}) -> link_state {
    return {what, {}, std::move(detail)};
}
auto said(const decision& before, const decision& after, std::uint64_t stayed,
          cobus::policy when_away = cobus::policy::deliver) -> std::string {
    cobus::transport_options options;
    options.brokers = {"a:1", "b:2"};
    options.when_away = when_away;
    return cobus::degrade::announce(before.current(), after.current(), options, stayed).text;
}

} // namespace

TEST_CASE("a start waits for the first answer, up to the decision time") {
    decision it = started();
    CHECK(it.current().what == state::connecting);
    CHECK(it.due() == zero + 3s);
    CHECK_FALSE(it.update(seen(link_is::connecting), zero + 2999ms));
    CHECK(it.due() == zero + 3s);
    CHECK(it.update(seen(link_is::connecting), zero + 3s));
    CHECK(it.current().what == state::degraded);
    CHECK(it.current().since == zero + 3s);
    CHECK(it.current().why == "no answer within 3000 ms");
    CHECK(it.current().cause == cobus::errc::unavailable);
    CHECK(it.due() == steady::time_point::max());
}

TEST_CASE("an answer connects at once") {
    decision it = started();
    CHECK(it.update(seen(link_is::up), zero + 40ms));
    CHECK(it.current().what == state::connected);
    CHECK(it.current().why.empty());
    CHECK(it.due() == steady::time_point::max());
}

TEST_CASE("a refusal by every broker is believed at once") {
    decision it = started();
    CHECK(it.update(seen(link_is::down, "connection refused"), zero + 40ms));
    CHECK(it.current().what == state::degraded);
    CHECK(it.current().why == "connection refused");
}

TEST_CASE("where Kafka is required, being away at the start is a failure for good") {
    for (const link_is what : {link_is::down, link_is::connecting}) {
        decision it = started(true);
        CHECK(it.update(seen(what, "refused"), zero + 3s));
        CHECK(it.current().what == state::failed);
        CHECK(it.current().cause == cobus::errc::kafka_required);
        CHECK(it.current().why == "refused");
        CHECK_FALSE(it.update(seen(link_is::up), zero + 4s));
    }
}

TEST_CASE("where Kafka is required, losing it later is an outage like any other") {
    decision it = started(true);
    CHECK(it.update(seen(link_is::up), zero));
    CHECK(it.update(seen(link_is::down), zero + 1s));
    CHECK(it.current().what == state::degraded);
}

TEST_CASE("a refusal for good fails in every state") {
    for (const link_is first : {link_is::connecting, link_is::up, link_is::down}) {
        decision it = started();
        (void)it.update(seen(first), zero);
        link_state no = seen(link_is::failed, "access denied");
        no.cause = cobus::make_error_code(cobus::errc::not_authorized);
        CHECK(it.update(no, zero + 1ms));
        CHECK(it.current().what == state::failed);
        CHECK(it.current().cause == cobus::errc::not_authorized);
        CHECK_FALSE(it.update(seen(link_is::up), zero + 1h));
    }
}

TEST_CASE("it stays closed for a second at least, and asks to be called when that is over") {
    decision it = started();
    (void)it.update(seen(link_is::up), zero);
    CHECK(it.update(seen(link_is::down), zero + 10s));
    CHECK_FALSE(it.update(seen(link_is::up), zero + 10s + 10ms));
    CHECK(it.due() == zero + 11s);
    CHECK_FALSE(it.update(seen(link_is::down), zero + 10s + 20ms));
    CHECK(it.due() == steady::time_point::max());
    CHECK_FALSE(it.update(seen(link_is::up), zero + 10s + 999ms));
    CHECK(it.update(seen(link_is::up), zero + 11s));
    CHECK(it.current().what == state::connected);
}

TEST_CASE("it opens on evidence only, however long it was closed") {
    decision it = started();
    (void)it.update(seen(link_is::down), zero);
    CHECK_FALSE(it.update(seen(link_is::connecting), zero + 1h));
    CHECK_FALSE(it.update(seen(link_is::down), zero + 2h));
    CHECK(it.due() == steady::time_point::max());
    CHECK(it.update(seen(link_is::up), zero + 3h));
}

TEST_CASE("a link that becomes unknown while connected is waited for as at the start") {
    decision it = started();
    (void)it.update(seen(link_is::up), zero);
    CHECK_FALSE(it.update(seen(link_is::connecting), zero + 10s));
    CHECK(it.due() == zero + 13s);
    CHECK_FALSE(it.update(seen(link_is::up), zero + 12s));
    CHECK_FALSE(it.update(seen(link_is::connecting), zero + 14s));
    CHECK(it.due() == zero + 17s);
    CHECK(it.update(seen(link_is::connecting), zero + 17s));
    CHECK(it.current().what == state::degraded);
}

TEST_CASE("each change of state is worth one line that says why") {
    decision it = started();
    decision before = it;
    (void)it.update(seen(link_is::up), zero + 1s);
    CHECK(said(before, it, 0) == "connected to Kafka at a:1,b:2");
    before = it;
    (void)it.update(seen(link_is::down, "connection refused"), zero + 2s);
    CHECK(said(before, it, 0) == "Kafka at a:1,b:2 is away (connection refused): events are "
                                 "delivered in process until it answers");
    CHECK(said(before, it, 0, cobus::policy::wait) ==
          "Kafka at a:1,b:2 is away (connection refused): publishers wait for it, 300 s at most");
    CHECK(said(before, it, 0, cobus::policy::fail) ==
          "Kafka at a:1,b:2 is away (connection refused): publishing fails until it answers");
    before = it;
    (void)it.update(seen(link_is::up), zero + 14500ms);
    CHECK(said(before, it, 42) ==
          "Kafka at a:1,b:2 answers again after 12.5 s; 42 events stayed in process");
    CHECK(said(before, it, 1).ends_with("1 event stayed in process"));
    CHECK(said(before, it, 0, cobus::policy::spool).ends_with("answers again after 12.5 s"));
    before = it;
    (void)it.update(seen(link_is::failed, "access denied"), zero + 20s);
    CHECK(said(before, it, 0) ==
          "Kafka at a:1,b:2 cannot be used (access denied): publishing fails");
}

TEST_CASE("random facts never break the rules") {
    for (unsigned seed = 1; seed <= 200; ++seed) {
        std::mt19937 random(seed);
        const bool required = seed % 5 == 0;
        decision it = started(required);
        steady::time_point now = zero;
        bool was_up = false;
        for (int i = 0; i < 500; ++i) {
            now += std::chrono::milliseconds(random() % 900);
            const auto dice = random() % 100;
            const link_is what = dice < 40   ? link_is::up
                                 : dice < 75 ? link_is::down
                                 : dice < 99 ? link_is::connecting
                                             : link_is::failed;
            const cobus::health before = it.current();
            const steady::time_point due = it.due();
            const bool changed = it.update(seen(what), now);
            const cobus::health after = it.current();
            CAPTURE(seed);
            CAPTURE(i);
            REQUIRE(changed == (before.what != after.what));
            REQUIRE((changed ? after.since == now : after.since == before.since));
            REQUIRE((it.due() > now));
            if (before.what == state::failed) {
                REQUIRE_FALSE(changed);
            }
            if (changed && after.what == state::connected) {
                REQUIRE(what == link_is::up);
                REQUIRE((before.what == state::connecting || now - before.since >= 1s));
            }
            if (changed && after.what == state::degraded) {
                REQUIRE((what == link_is::down || now >= due));
                REQUIRE((!required || was_up));
            }
            if (!changed && before.what == state::degraded && what == link_is::up) {
                REQUIRE(it.due() == before.since + 1s);
            }
            was_up = was_up || after.what == state::connected;
        }
    }
}

TEST_CASE("a permanent refusal is no outage, and passes once somebody lets us in") {
    for (const link_is first : {link_is::connecting, link_is::up, link_is::down}) {
        decision it = started();
        (void)it.update(seen(first), zero);
        link_state no = seen(link_is::down, "wrong password");
        no.cause = cobus::make_error_code(cobus::errc::not_authorized);
        CHECK(it.update(no, zero + 1s));
        CHECK(it.current().what == state::failed);
        CHECK(it.current().cause == cobus::errc::not_authorized);
        CHECK(it.current().why == "wrong password");
        CHECK_FALSE(it.update(seen(link_is::down), zero + 2s));
        CHECK(it.update(seen(link_is::up), zero + 3s));
        CHECK(it.current().what == state::connected);
    }
}
