#include "outbox_cases.hpp"
#include "postgres_server.hpp"

#include <cobus/outbox/postgres_outbox.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <thread>
#include <vector>

namespace postgres_outbox_test {

using session = cobus::detail::postgres::session;
using cases = cobus::test::outbox_cases<session>;
using tables = cobus::detail::outbox_tables<session>;
using texts = std::vector<std::string>;

auto opener() -> std::function<session()> {
    return
        [where = cobus::test::postgres_server::shared().new_database()] { return session(where); };
}
auto readable(int descriptor, std::chrono::milliseconds within) -> bool {
    pollfd wanted{descriptor, POLLIN, 0};
    return ::poll(&wanted, 1, static_cast<int>(within.count())) == 1;
}
/// Until the server says that some transaction waits for a lock.
void until_somebody_waits(session& on) {
    while (on.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'", {}).empty()) {
        std::this_thread::yield();
    }
}

} // namespace postgres_outbox_test

TEST_CASE("PostgreSQL: what is added is committed or rolled back with the transaction") {
    postgres_outbox_test::cases(postgres_outbox_test::opener()).rows_are_of_the_transaction();
}
TEST_CASE("PostgreSQL: refused rows are kept apart with their cause and can be put back") {
    postgres_outbox_test::cases(postgres_outbox_test::opener())
        .refused_rows_are_kept_apart_with_their_cause();
}
TEST_CASE("PostgreSQL: a shard has one relay at a time, and a key is in one shard") {
    postgres_outbox_test::cases(postgres_outbox_test::opener()).a_shard_has_one_relay_at_a_time();
}
TEST_CASE("PostgreSQL: a relay whose lease has passed deletes and refuses nothing") {
    postgres_outbox_test::cases(postgres_outbox_test::opener())
        .who_lost_its_lease_deletes_and_refuses_nothing();
}
TEST_CASE("PostgreSQL: a relay begins anew after an error") {
    postgres_outbox_test::cases(postgres_outbox_test::opener())
        .a_relay_begins_anew_after_an_error();
}
TEST_CASE("PostgreSQL: a confirmation in the handler's transaction is part of it") {
    postgres_outbox_test::cases(postgres_outbox_test::opener())
        .a_confirmation_is_of_the_transaction();
}
TEST_CASE("PostgreSQL: a claim keeps others out until it is given back, and an old one confirms "
          "nothing") {
    postgres_outbox_test::cases(postgres_outbox_test::opener())
        .a_claim_keeps_others_out_until_its_lease_ends();
}
TEST_CASE("PostgreSQL: an inbox forgets what is past its time") {
    postgres_outbox_test::cases(postgres_outbox_test::opener())
        .what_is_past_its_time_is_forgotten();
}

TEST_CASE("PostgreSQL: a row committed late with a lower sequence is found; one that keeps a "
          "position loses it") {
    using namespace postgres_outbox_test;
    const auto open = opener();
    const cases with(open);
    session one = open();
    session other = open();
    cases::store relay(open);
    CHECK(relay.lease(std::chrono::minutes(1), 16) == 16);
    one.run("BEGIN");
    tables::insert(one, cases::row("first in sequence", "a"));
    other.run("BEGIN");
    tables::insert(other, cases::row("first committed", "b"));
    other.run("COMMIT");
    const auto rows = relay.read(10);
    REQUIRE(cases::ids(rows) == texts{"first committed"});
    relay.remove(rows);
    one.run("COMMIT");
    // The naive relay, which goes on after the last one that it published:
    CHECK(
        other.query("SELECT id FROM cobus_outbox WHERE sequence > $1", {rows[0].sequence}).empty());
    CHECK(cases::ids(relay.read(10)) == texts{"first in sequence"});
}

TEST_CASE("PostgreSQL: order per key is that of the user's lock, and without one it is lost") {
    using namespace postgres_outbox_test;
    const auto open = opener();
    const cases with(open);
    session first = open();
    session second = open();
    session look = open();
    look.run("CREATE TABLE account(id TEXT PRIMARY KEY, balance BIGINT)");
    look.run("INSERT INTO account VALUES('a', 0)");
    cases::store relay(open);
    CHECK(relay.lease(std::chrono::minutes(1), 16) == 16);

    // Without: the second to have a number is the first to be seen, and published.
    first.run("BEGIN");
    tables::insert(first, cases::row("1", "a"));
    second.run("BEGIN");
    tables::insert(second, cases::row("2", "a"));
    second.run("COMMIT");
    CHECK(cases::ids(relay.read(10)) == texts{"2"});
    first.run("COMMIT");
    relay.remove(relay.read(10));

    // With it, taken before the row is added:
    const std::string lock = "SELECT 1 FROM account WHERE id = 'a' FOR UPDATE";
    first.run("BEGIN");
    (void)first.query(lock, {});
    std::thread later([&] {
        second.run("BEGIN");
        (void)second.query(lock, {});
        tables::insert(second, cases::row("2", "a"));
        second.run("COMMIT");
    });
    until_somebody_waits(look);
    tables::insert(first, cases::row("1", "a"));
    CHECK(relay.read(10).empty());
    first.run("COMMIT");
    later.join();
    CHECK(cases::ids(relay.read(10)) == texts{"1", "2"});
}

TEST_CASE("PostgreSQL: relays that only skip locked rows publish a key out of order") {
    using namespace postgres_outbox_test;
    const auto open = opener();
    const cases with(open);
    session user = open();
    tables::insert(user, cases::row("1", "a"));
    tables::insert(user, cases::row("2", "a"));
    const std::string naive =
        "SELECT id FROM cobus_outbox ORDER BY sequence LIMIT 1 FOR UPDATE SKIP LOCKED";
    session slow = open();
    session quick = open();
    slow.run("BEGIN");
    CHECK(slow.query(naive, {}).at(0)[0].text() == "1"); // and is about to publish it
    quick.run("BEGIN");
    CHECK(quick.query(naive, {}).at(0)[0].text() == "2"); // overtakes
    slow.run("ROLLBACK");
    quick.run("ROLLBACK");
    // With leases, the second relay has nothing of that key while the first has its shard.
    cases::store one(open);
    cases::store other(open);
    CHECK(one.lease(std::chrono::minutes(1), 16) == 16);
    CHECK(other.lease(std::chrono::minutes(1), 16) == 0);
    CHECK(cases::ids(one.read(1)) == texts{"1"});
    CHECK(other.read(1).empty());
}

TEST_CASE("PostgreSQL: two relays that take leases at the same time never get the same shard") {
    using namespace postgres_outbox_test;
    const auto open = opener();
    const cases with(open);
    for (int round = 0; round < 10; ++round) {
        cases::store one(open);
        cases::store other(open);
        std::size_t held = 0;
        std::thread taking([&] { held = one.lease(std::chrono::minutes(1), 16); });
        const std::size_t others = other.lease(std::chrono::minutes(1), 16);
        taking.join();
        CHECK(held + others <= 16);
        CHECK(one.lease(std::chrono::minutes(1), 16) + other.lease(std::chrono::minutes(1), 16) ==
              16);
        one.release();
        other.release();
    }
}

TEST_CASE("PostgreSQL: a copy in another transaction waits for the first, and is none if that "
          "commits") {
    using namespace postgres_outbox_test;
    using box = cobus::detail::inbox_table<session>;
    const auto open = opener();
    const cases with(open);
    session look = open();
    for (const bool commits : {true, false}) {
        const std::string id = commits ? "committed" : "rolled back";
        const cobus::detail::inbox_key key{"g", "h", "s", id};
        session first = open();
        session second = open();
        first.run("BEGIN");
        CHECK(box::confirm(first, key, 60'000));
        bool again = false;
        std::thread copy([&] {
            second.run("BEGIN");
            again = box::confirm(second, key, 60'000);
            second.run("COMMIT");
        });
        until_somebody_waits(look);
        first.run(commits ? "COMMIT" : "ROLLBACK");
        copy.join();
        CHECK(again == !commits);
    }
}

TEST_CASE("PostgreSQL: a relay is woken by the commit, not by the row") {
    using namespace postgres_outbox_test;
    const std::string where = cobus::test::postgres_server::shared().new_database();
    session user(where);
    tables::create(user);
    const auto relay = cobus::postgres_outbox(where);
    CHECK(relay->descriptor() == -1);
    CHECK(relay->lease(std::chrono::minutes(1), 16) == 16);
    CHECK_FALSE(relay->take_notifications());
    user.run("BEGIN");
    tables::insert(user, cases::row("1", "a"));
    CHECK_FALSE(readable(relay->descriptor(), std::chrono::milliseconds(50)));
    user.run("COMMIT");
    CHECK(readable(relay->descriptor(), std::chrono::seconds(30)));
    CHECK(relay->take_notifications());
    CHECK_FALSE(readable(relay->descriptor(), std::chrono::milliseconds(0)));
    CHECK(cases::ids(relay->read(10)) == texts{"1"});
}

TEST_CASE("PostgreSQL: a connection that is lost is an error, and the next call makes another") {
    using namespace postgres_outbox_test;
    const std::string where = cobus::test::postgres_server::shared().new_database();
    session user(where);
    tables::create(user);
    tables::insert(user, cases::row("1", "a"));
    const auto relay = cobus::postgres_outbox(where);
    CHECK(relay->lease(std::chrono::minutes(1), 16) == 16);
    (void)user.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                     "current_database() AND pid <> pg_backend_pid()",
                     {});
    CHECK_THROWS_AS((void)relay->read(10), cobus::error);
    relay->reset();
    CHECK(relay->lease(std::chrono::minutes(1), 16) == 16);
    CHECK(cases::ids(relay->read(10)) == texts{"1"});
}
