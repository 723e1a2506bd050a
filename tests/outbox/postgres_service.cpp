#include "outbox_service.hpp"
#include "postgres_server.hpp"

#include <cobus/postgres.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <poll.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

// The same with PostgreSQL.

namespace outbox_service {

/// A user's connection to a database with the tables.
class postgres_shop {
public:
    explicit postgres_shop(const std::string& where)
        : connection_(PQconnectdb(where.c_str()), &PQfinish) {
        REQUIRE(PQstatus(connection()) == CONNECTION_OK);
        PQsetNoticeProcessor(connection(), [](void*, const char*) {}, nullptr);
    }
    void make_tables() const {
        cobus::outbox::create_tables(connection());
        cobus::inbox::create_tables(connection());
        run("CREATE TABLE counter(value BIGINT)");
        run("INSERT INTO counter VALUES(0)");
    }
    [[nodiscard]] auto connection() const -> PGconn* { return connection_.get(); }
    auto run(const char* sql) const -> std::string {
        const std::unique_ptr<PGresult, void (*)(PGresult*)> got(PQexec(connection(), sql),
                                                                 &PQclear);
        const auto status = PQresultStatus(got.get());
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            throw std::runtime_error(PQerrorMessage(connection()));
        }
        return PQntuples(got.get()) > 0 ? PQgetvalue(got.get(), 0, 0) : "";
    }
    [[nodiscard]] auto waiting() const -> std::size_t {
        return cobus::outbox::count(connection()).waiting;
    }

private:
    std::unique_ptr<PGconn, void (*)(PGconn*)> connection_;
};

auto seldom() -> cobus::outbox_options {
    return cobus::outbox_options().poll(std::chrono::hours(1)).lease(std::chrono::hours(10));
}

/// Lets another connection commit a row when the relay has just read none, and gets the news of it
/// beside the answer to a query of its own, after which no socket says so any more.
class late_store final : public cobus::outbox_store {
public:
    late_store(const std::string& where, std::atomic<cobus::outbox*>& outbox,
               std::atomic<int>& reads)
        : inner_(cobus::postgres_outbox(where)), writer_(where), outbox_(&outbox), reads_(&reads) {}

    auto lease(std::chrono::milliseconds length, std::size_t most) -> std::size_t override {
        return inner_->lease(length, most);
    }
    [[nodiscard]] auto read(std::size_t most) -> std::vector<cobus::outbox_row> override {
        std::vector<cobus::outbox_row> some = inner_->read(most);
        if (cobus::outbox* const to = outbox_->exchange(nullptr)) {
            to->add(writer_.connection(), placed{"k", "late"});
            pollfd heard{inner_->descriptor(), POLLIN, 0};
            REQUIRE(::poll(&heard, 1, 30'000) == 1);
            (void)inner_->lease(std::chrono::hours(10), most);
            REQUIRE(::poll(&heard, 1, 0) == 0);
        }
        ++*reads_;
        return some;
    }
    void remove(std::span<const cobus::outbox_row> rows) override { inner_->remove(rows); }
    void refuse(const cobus::outbox_row& row, std::string_view cause) override {
        inner_->refuse(row, cause);
    }
    void release() override { inner_->release(); }
    void reset() noexcept override { inner_->reset(); }
    [[nodiscard]] auto descriptor() const noexcept -> int override { return inner_->descriptor(); }
    auto take_notifications() -> bool override { return inner_->take_notifications(); }

private:
    std::unique_ptr<cobus::outbox_store> inner_;
    postgres_shop writer_;
    std::atomic<cobus::outbox*>* outbox_;
    std::atomic<int>* reads_;
};

} // namespace outbox_service

TEST_CASE("PostgreSQL: a relay hears of a commit whose news came beside an answer") {
    using namespace outbox_service;
    const std::string where = cobus::test::postgres_server::shared().new_database();
    const postgres_shop database(where);
    database.make_tables();
    std::atomic<cobus::outbox*> write_to{nullptr};
    std::atomic<int> reads{0};
    serve_from(
        std::make_unique<late_store>(where, write_to, reads),
        [&](cobus::bus&, cobus::outbox& outbox, heard_list& all) -> net::awaitable<void> {
            co_await cobus::test::until([&] { return reads > 0; });
            write_to = &outbox;
            database.run("NOTIFY cobus_outbox"); // that it reads
            co_await cobus::test::until([&] { return !all.empty(); });
            CHECK(texts_of(all) == texts{"late"});
        },
        service_parts(), seldom());
}

TEST_CASE("PostgreSQL: a relay publishes at once what another connection commits") {
    using namespace outbox_service;
    const std::string where = cobus::test::postgres_server::shared().new_database();
    const postgres_shop database(where);
    database.make_tables();
    serve_from(
        cobus::postgres_outbox(where),
        [&](cobus::bus&, cobus::outbox& outbox, heard_list& all) -> net::awaitable<void> {
            co_await cobus::test::until([&] { return outbox.status().shards == 16; });
            for (int i = 0; i < 3; ++i) {
                database.run("BEGIN");
                outbox.add(database.connection(), placed{"k", "rolled back"});
                database.run("ROLLBACK");
                database.run("BEGIN");
                outbox.add(database.connection(), placed{"k", std::to_string(i)});
                database.run("COMMIT");
                co_await cobus::test::until(
                    [&] { return all.size() == static_cast<std::size_t>(i) + 1; });
            }
            CHECK(texts_of(all) == texts{"0", "1", "2"});
            co_await cobus::test::until([&] { return database.waiting() == 0; });
        },
        service_parts(), seldom());
}

TEST_CASE("PostgreSQL: writers that lock what the key names are published in their order") {
    using namespace outbox_service;
    const std::string where = cobus::test::postgres_server::shared().new_database();
    const postgres_shop database(where);
    database.make_tables();
    constexpr int writers = 4;
    constexpr int each = 50;
    serve_from(cobus::postgres_outbox(where),
               [&](cobus::bus&, cobus::outbox& outbox, heard_list& all) -> net::awaitable<void> {
                   std::vector<std::thread> threads;
                   for (int i = 0; i < writers; ++i) {
                       threads.emplace_back([&] {
                           const postgres_shop mine(where);
                           for (int j = 0; j < each; ++j) {
                               mine.run("BEGIN");
                               const std::string number =
                                   mine.run("UPDATE counter SET value = value + 1 RETURNING value");
                               outbox.add(mine.connection(), placed{"k", number});
                               mine.run("COMMIT");
                           }
                       });
                   }
                   for (std::thread& thread : threads) {
                       thread.join();
                   }
                   co_await cobus::test::until(
                       [&] { return all.size() == std::size_t{writers * each}; });
                   texts expected;
                   for (int i = 1; i <= writers * each; ++i) {
                       expected.push_back(std::to_string(i));
                   }
                   CHECK(texts_of(all) == expected);
               });
}

TEST_CASE("PostgreSQL: a process killed between commit and relay loses nothing") {
    using namespace outbox_service;
    const std::string where = cobus::test::postgres_server::shared().new_database();
    const postgres_shop tables(where);
    tables.make_tables();
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const postgres_shop database(where);
        net::io_context context;
        asio::thread_pool blocking(1);
        cobus::bus bus(context.get_executor(), cobus::test::quiet());
        const cobus::outbox outbox(bus, cobus::postgres_outbox(where), blocking.get_executor());
        database.run("BEGIN");
        outbox.add(database.connection(), placed{"k", "committed"});
        database.run("COMMIT");
        database.run("BEGIN");
        outbox.add(database.connection(), placed{"k", "not committed"});
        ::raise(SIGKILL);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    serve_from(cobus::postgres_outbox(where),
               [](cobus::bus&, cobus::outbox&, heard_list& all) -> net::awaitable<void> {
                   co_await cobus::test::until([&] { return !all.empty(); });
                   CHECK(texts_of(all) == texts{"committed"});
               });
}

TEST_CASE("PostgreSQL: effects confirmed in their transaction happen once") {
    using namespace outbox_service;
    const std::string where = cobus::test::postgres_server::shared().new_database();
    const postgres_shop database(where);
    database.make_tables();
    serve_from(cobus::postgres_outbox(where),
               [&](cobus::bus& bus, cobus::outbox&, heard_list&) -> net::awaitable<void> {
                   const cobus::inbox inbox(bus);
                   int tries = 0;
                   auto counting = bus.on<asked>(
                       cobus::handler("counting")
                           .retry(cobus::retry_policy().backoff(std::chrono::milliseconds(0),
                                                                std::chrono::milliseconds(0))),
                       [&](const asked&, cobus::context& context) {
                           ++tries;
                           database.run("BEGIN");
                           if (!inbox.confirm(database.connection(), context)) {
                               database.run("ROLLBACK");
                               return;
                           }
                           database.run("UPDATE counter SET value = value + 1");
                           database.run(tries == 1 ? "ROLLBACK" : "COMMIT");
                           if (tries < 3) {
                               throw std::runtime_error("before the commit, then after it");
                           }
                       });
                   asked question{"why"};
                   const auto named = cobus::with().id("one");
                   co_await bus.publish(question, named);
                   co_await bus.publish(question, named);
                   co_await cobus::test::until([&] { return tries == 4; });
                   CHECK(database.run("SELECT value FROM counter") == "1");
               });
}
