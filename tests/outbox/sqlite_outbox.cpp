#include "outbox_cases.hpp"
#include "temporary_folder.hpp"

#include <cobus/outbox/sqlite_outbox.hpp>

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

namespace sqlite_outbox_test {

using session = cobus::detail::sqlite::session;
using cases = cobus::test::outbox_cases<session>;

/// A database of a user's.
class database {
public:
    explicit database(const char* journal = "WAL") {
        sqlite3* made = nullptr;
        REQUIRE(sqlite3_open(path().c_str(), &made) == SQLITE_OK);
        sqlite3_exec(made, (std::string("PRAGMA journal_mode=") + journal).c_str(), nullptr,
                     nullptr, nullptr);
        sqlite3_close(made);
    }
    [[nodiscard]] auto path() const -> std::string { return (folder_.path() / "shop.db").string(); }
    [[nodiscard]] auto opener() const -> std::function<session()> {
        return [path = path()] { return session(path, std::chrono::seconds(10)); };
    }

private:
    cobus::test::temporary_folder folder_;
};

} // namespace sqlite_outbox_test

TEST_CASE("SQLite: what is added is committed or rolled back with the transaction") {
    for (const char* journal : {"WAL", "DELETE"}) {
        const sqlite_outbox_test::database shop(journal);
        sqlite_outbox_test::cases(shop.opener()).rows_are_of_the_transaction();
    }
}
TEST_CASE("SQLite: refused rows are kept apart with their cause and can be put back") {
    const sqlite_outbox_test::database shop;
    sqlite_outbox_test::cases(shop.opener()).refused_rows_are_kept_apart_with_their_cause();
}
TEST_CASE("SQLite: a shard has one relay at a time, and a key is in one shard") {
    const sqlite_outbox_test::database shop;
    sqlite_outbox_test::cases(shop.opener()).a_shard_has_one_relay_at_a_time();
}
TEST_CASE("SQLite: a relay whose lease has passed deletes and refuses nothing") {
    const sqlite_outbox_test::database shop;
    sqlite_outbox_test::cases(shop.opener()).who_lost_its_lease_deletes_and_refuses_nothing();
}
TEST_CASE("SQLite: a relay begins anew after an error") {
    const sqlite_outbox_test::database shop;
    sqlite_outbox_test::cases(shop.opener()).a_relay_begins_anew_after_an_error();
}
TEST_CASE("SQLite: a confirmation in the handler's transaction is part of it") {
    const sqlite_outbox_test::database shop;
    sqlite_outbox_test::cases(shop.opener()).a_confirmation_is_of_the_transaction();
}
TEST_CASE(
    "SQLite: a claim keeps others out until it is given back, and an old one confirms nothing") {
    const sqlite_outbox_test::database shop;
    sqlite_outbox_test::cases(shop.opener()).a_claim_keeps_others_out_until_its_lease_ends();
}
TEST_CASE("SQLite: an inbox forgets what is past its time") {
    const sqlite_outbox_test::database shop;
    sqlite_outbox_test::cases(shop.opener()).what_is_past_its_time_is_forgotten();
}

TEST_CASE("SQLite: a relay waits for the one writer, up to its patience") {
    const sqlite_outbox_test::database shop;
    const auto open = shop.opener();
    sqlite_outbox_test::cases with(open);
    sqlite_outbox_test::session writer = open();
    using tables = cobus::detail::outbox_tables<sqlite_outbox_test::session>;
    tables::insert(writer, sqlite_outbox_test::cases::row("1", "k"));
    sqlite_outbox_test::cases::store relay(open);
    CHECK(relay.lease(std::chrono::minutes(1), 16) == 16);
    const auto rows = relay.read(10);
    writer.run("BEGIN IMMEDIATE");
    tables::insert(writer, sqlite_outbox_test::cases::row("2", "k"));
    std::thread deleting([&] { relay.remove(rows); });
    writer.run("COMMIT");
    deleting.join();
    CHECK(sqlite_outbox_test::cases::ids(relay.read(10)) == std::vector<std::string>{"2"});

    const auto impatient = cobus::sqlite_outbox(shop.path(), std::chrono::milliseconds(1));
    writer.run("BEGIN IMMEDIATE");
    CHECK_THROWS_AS((void)impatient->lease(std::chrono::minutes(1), 16), cobus::error);
    writer.run("ROLLBACK");
}

TEST_CASE("SQLite: a database that is not there is an error and is not made") {
    const cobus::test::temporary_folder folder;
    const std::string path = (folder.path() / "none.db").string();
    const auto relay = cobus::sqlite_outbox(path);
    CHECK_THROWS_AS((void)relay->lease(std::chrono::minutes(1), 16), cobus::error);
    CHECK_FALSE(std::filesystem::exists(path));
}
