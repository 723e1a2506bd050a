#include "outbox_service.hpp"
#include "temporary_folder.hpp"

#include <cobus/sqlite.hpp>

#include <asio/thread_pool.hpp>
#include <doctest/doctest.h>
#include <sqlite3.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

// A service whose events go through an outbox in SQLite, over the whole bus.

namespace outbox_service {

/// The user's own database and connection.
class shop {
public:
    explicit shop(std::string path) : path_(std::move(path)) {
        REQUIRE(sqlite3_open(path_.c_str(), &connection_) == SQLITE_OK);
        sqlite3_busy_timeout(connection_, 10'000);
        run("PRAGMA journal_mode=WAL");
        run("CREATE TABLE IF NOT EXISTS effects(text TEXT)");
        cobus::outbox::create_tables(connection_);
        cobus::inbox::create_tables(connection_);
    }
    shop(const shop&) = delete;
    auto operator=(const shop&) -> shop& = delete;
    ~shop() { sqlite3_close(connection_); }

    [[nodiscard]] auto connection() const -> sqlite3* { return connection_; }
    [[nodiscard]] auto path() const -> const std::string& { return path_; }
    void run(const char* sql) const {
        REQUIRE(sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    }
    [[nodiscard]] auto effects() const -> int {
        sqlite3_stmt* made = nullptr;
        REQUIRE(sqlite3_prepare_v2(connection_, "SELECT count(*) FROM effects", -1, &made,
                                   nullptr) == SQLITE_OK);
        REQUIRE(sqlite3_step(made) == SQLITE_ROW);
        const int count = sqlite3_column_int(made, 0);
        sqlite3_finalize(made);
        return count;
    }
    [[nodiscard]] auto waiting() const -> std::size_t {
        return cobus::outbox::count(connection_).waiting;
    }
    [[nodiscard]] auto refused() const -> std::size_t {
        return cobus::outbox::count(connection_).refused;
    }

private:
    std::string path_;
    sqlite3* connection_ = nullptr;
};

/// Where a shop's file is, gone with the test.
class shop_folder {
public:
    [[nodiscard]] auto file() const -> std::string { return (folder_.path() / "shop.db").string(); }
    [[nodiscard]] auto notes() const -> std::string { return (folder_.path() / "notes").string(); }

private:
    cobus::test::temporary_folder folder_;
};

/// On the file of a shop.
void serve(const std::string& path, const service_body& body, service_parts with = {}) {
    serve_from(cobus::sqlite_outbox(path), body, std::move(with));
}

} // namespace outbox_service

TEST_CASE("what is committed is published in its order with its id, and its rows are deleted") {
    using namespace outbox_service;
    const shop_folder folder;
    const shop database(folder.file());
    serve(folder.file(),
          [&](cobus::bus&, cobus::outbox& outbox, heard_list& all) -> net::awaitable<void> {
              texts expected;
              std::string first_id;
              database.run("BEGIN IMMEDIATE");
              for (int i = 0; i < 600; ++i) { // more than a batch
                  const placed event{"k", std::to_string(i)};
                  const std::string id = outbox.add(database.connection(), event).str();
                  first_id = i == 0 ? id : first_id;
                  expected.push_back(event.text);
              }
              database.run("COMMIT");
              outbox.committed();
              co_await cobus::test::until([&] { return database.waiting() == 0; });
              co_await cobus::test::until([&] { return all.size() >= expected.size(); });
              CHECK(texts_of(all) == expected);
              CHECK(all[0].id == first_id);
              CHECK(outbox.status().published == expected.size());
              CHECK(outbox.status().shards == 16);
              CHECK(outbox.status().problem.empty());
          });
}

TEST_CASE(
    "what is rolled back is never published, and what is not announced is found by the poll") {
    using namespace outbox_service;
    const shop_folder folder;
    const shop database(folder.file());
    serve(folder.file(),
          [&](cobus::bus&, cobus::outbox& outbox, heard_list& all) -> net::awaitable<void> {
              database.run("BEGIN IMMEDIATE");
              outbox.add(database.connection(), placed{"k", "rolled back"});
              database.run("ROLLBACK");
              database.run("BEGIN IMMEDIATE");
              outbox.add(database.connection(), placed{"k", "committed"});
              database.run("COMMIT");
              co_await cobus::test::until([&] { return !all.empty(); });
              CHECK(texts_of(all) == texts{"committed"});
              CHECK_THROWS_AS(outbox.add(database.connection(), placed{"k", "cannot be encoded"}),
                              cobus::error);
          });
    CHECK(database.waiting() == 0);
}

TEST_CASE("a key whose event cannot be sent waits in order while others go on") {
    using namespace outbox_service;
    const shop_folder folder;
    const shop database(folder.file());
    service_parts with;
    with.faults.fail(cobus::testing::first(1).key("slow"), cobus::errc::timed_out);
    serve(
        folder.file(),
        [&](cobus::bus&, cobus::outbox& outbox, heard_list& all) -> net::awaitable<void> {
            database.run("BEGIN IMMEDIATE");
            for (const auto& [key, text] : std::vector<std::pair<std::string, std::string>>{
                     {"slow", "s1"}, {"quick", "q1"}, {"slow", "s2"}, {"quick", "q2"}}) {
                outbox.add(database.connection(), placed{key, text});
            }
            database.run("COMMIT");
            outbox.committed();
            co_await cobus::test::until([&] { return all.size() == 4; });
            CHECK(texts_of(all) == texts{"q1", "q2", "s1", "s2"});
        },
        with);
    CHECK(database.waiting() == 0);
}

TEST_CASE("what Kafka refuses for good is put apart with its cause and can be put back") {
    using namespace outbox_service;
    const shop_folder folder;
    const shop database(folder.file());
    service_parts with;
    with.faults.fail(cobus::testing::first(1).key("k"), cobus::errc::too_large);
    serve(
        folder.file(),
        [&](cobus::bus&, cobus::outbox& outbox, heard_list& all) -> net::awaitable<void> {
            database.run("BEGIN IMMEDIATE");
            const std::string id = outbox.add(database.connection(), placed{"k", "1"}).str();
            outbox.add(database.connection(), placed{"k", "2"});
            database.run("COMMIT");
            outbox.committed();
            co_await cobus::test::until([&] { return all.size() == 1; });
            CHECK(texts_of(all) == texts{"2"}); // its key goes on
            CHECK(database.refused() == 1);
            CHECK(outbox.status().refused == 1);
            CHECK(cobus::outbox::restore_refused(database.connection()) == 1);
            outbox.committed();
            co_await cobus::test::until([&] { return all.size() == 2; });
            CHECK(all[1].id == id);
        },
        with);
    CHECK(database.refused() == 0);
}

TEST_CASE("a process killed between commit and relay loses nothing") {
    using namespace outbox_service;
    const shop_folder folder;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const shop database(folder.file());
        net::io_context context;
        asio::thread_pool blocking(1);
        cobus::bus bus(context.get_executor(), cobus::test::quiet());
        const cobus::outbox outbox(bus, cobus::sqlite_outbox(folder.file()),
                                   blocking.get_executor());
        database.run("BEGIN IMMEDIATE");
        outbox.add(database.connection(), placed{"k", "committed"});
        database.run("COMMIT");
        database.run("BEGIN IMMEDIATE");
        outbox.add(database.connection(), placed{"k", "not committed"});
        ::raise(SIGKILL);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    serve(folder.file(), [](cobus::bus&, cobus::outbox&, heard_list& all) -> net::awaitable<void> {
        co_await cobus::test::until([&] { return !all.empty(); });
        CHECK(texts_of(all) == texts{"committed"});
    });
}

namespace outbox_service {

/// Kills its process when rows are about to be deleted and their handler has run.
class deadly_store final : public cobus::outbox_store {
public:
    deadly_store(std::unique_ptr<cobus::outbox_store> inner, std::string notes)
        : inner_(std::move(inner)), notes_(std::move(notes)) {}

    auto lease(std::chrono::milliseconds /*length*/, std::size_t most) -> std::size_t override {
        return inner_->lease(std::chrono::milliseconds(1), most); // it will not live to give back
    }
    [[nodiscard]] auto read(std::size_t most) -> std::vector<cobus::outbox_row> override {
        return inner_->read(most);
    }
    void remove(std::span<const cobus::outbox_row> /*rows*/) override {
        while (std::ifstream(notes_).peek() == std::ifstream::traits_type::eof()) {
            std::this_thread::yield();
        }
        ::raise(SIGKILL);
    }
    void refuse(const cobus::outbox_row& row, std::string_view cause) override {
        inner_->refuse(row, cause);
    }
    void release() override { inner_->release(); }
    void reset() noexcept override { inner_->reset(); }

private:
    std::unique_ptr<cobus::outbox_store> inner_;
    std::string notes_;
};

} // namespace outbox_service

TEST_CASE("a process killed between publishing and deleting publishes again, with the same id") {
    using namespace outbox_service;
    const shop_folder folder;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const shop database(folder.file());
        serve_from(
            std::make_unique<deadly_store>(cobus::sqlite_outbox(folder.file()), folder.notes()),
            [&](cobus::bus&, cobus::outbox& outbox, heard_list& all) -> net::awaitable<void> {
                outbox.add(database.connection(), placed{"k", "1"});
                outbox.committed();
                co_await cobus::test::until([&] { return !all.empty(); });
                std::ofstream(folder.notes()) << all[0].id << std::flush;
                co_await cobus::test::until([] { return false; });
            });
        ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    std::string first;
    std::ifstream(folder.notes()) >> first;
    serve(folder.file(), [&](cobus::bus&, cobus::outbox&, heard_list& all) -> net::awaitable<void> {
        co_await cobus::test::until([&] { return !all.empty(); });
        CHECK(texts_of(all) == texts{"1"});
        CHECK(all[0].id == first);
    });
    const shop database(folder.file());
    CHECK(database.waiting() == 0);
}

TEST_CASE("of two relays one publishes, and the other takes over when it ends") {
    using namespace outbox_service;
    const shop_folder folder;
    const shop database(folder.file());
    serve(folder.file(),
          [&](cobus::bus& bus, cobus::outbox& outbox, heard_list& all) -> net::awaitable<void> {
              co_await cobus::test::until([&] { return outbox.status().shards == 16; });
              asio::thread_pool pool(1);
              const auto quick = cobus::outbox_options().lease(std::chrono::seconds(3));
              cobus::outbox other(bus, cobus::sqlite_outbox(folder.file()), pool.get_executor(),
                                  quick);
              other.start();
              outbox.add(database.connection(), placed{"k", "1"});
              other.committed();
              outbox.committed();
              co_await cobus::test::until([&] { return outbox.status().published == 1; });
              CHECK(other.status().shards == 0);
              co_await outbox.stop();
              other.add(database.connection(), placed{"k", "2"});
              co_await cobus::test::until([&] { return other.status().published == 1; });
              co_await other.stop();
              CHECK(texts_of(all) == texts{"1", "2"});
          });
}

TEST_CASE("a relay without its database says so once, waits, stops at once, and goes on later") {
    using namespace outbox_service;
    const shop_folder folder;
    service_parts with;
    std::mutex guard;
    texts lines;
    with.how.logger([&](cobus::log_level, std::string_view text) {
        const std::lock_guard lock(guard);
        if (text.find("outbox") != std::string_view::npos) {
            lines.emplace_back(text);
        }
    });
    serve(
        folder.file(),
        [&](cobus::bus&, cobus::outbox& outbox, heard_list& all) -> net::awaitable<void> {
            co_await cobus::test::until([&] { return !outbox.status().problem.empty(); });
            const shop database(folder.file());
            outbox.add(database.connection(), placed{"k", "1"});
            co_await cobus::test::until([&] { return !all.empty(); });
            CHECK(outbox.status().problem.empty());
        },
        with);
    const std::lock_guard lock(guard);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].find("waits for its database") != std::string::npos);
    CHECK(lines[1].find("again") != std::string::npos);
}

TEST_CASE("a relay stops while its publish hangs, and while nothing was started") {
    using namespace outbox_service;
    const shop_folder folder;
    const shop database(folder.file());
    service_parts with;
    with.faults.delay(cobus::testing::always(), std::chrono::hours(1));
    serve(
        folder.file(),
        [&](cobus::bus& bus, cobus::outbox& outbox, heard_list&) -> net::awaitable<void> {
            outbox.add(database.connection(), placed{"k", "1"});
            outbox.committed();
            co_await cobus::test::until([&] { return outbox.status().shards == 16; });
            asio::thread_pool pool(1);
            cobus::outbox idle(bus, cobus::sqlite_outbox(folder.file()), pool.get_executor());
            co_await idle.stop();
            co_await idle.stop();
            co_await outbox.stop();
        },
        with);
    CHECK(database.waiting() == 1);
}

TEST_CASE(
    "while Kafka is away rows wait and nothing is delivered in process, whatever the policy") {
    using namespace outbox_service;
    const shop_folder folder;
    const shop database(folder.file());
    heard_list all;
    asio::thread_pool blocking(1);
    net::io_context context;
    cobus::testing::fault_script faults;
    cobus::test::run(context, [&]() -> net::awaitable<void> {
        cobus::settings how = cobus::test::quiet();
        how.kafka(true).brokers("localhost:9092").decision_time(std::chrono::milliseconds(300));
        how.delivery_timeout(std::chrono::seconds(1)).when_away(cobus::policy::deliver);
        cobus::bus bus(context.get_executor(), how,
                       cobus::testing::playing_kafka(cobus::memory(), faults));
        auto listener = bus.on<placed>("listener", [&](const placed& event, cobus::context& about) {
            CHECK_FALSE(about.in_process());
            all.push_back({event.text, about.content().id().str()});
        });
        co_await bus.start();
        faults.disconnect();
        co_await cobus::test::until([&] { return bus.health().what == cobus::state::degraded; });
        {
            cobus::outbox outbox(bus, cobus::sqlite_outbox(folder.file()), blocking.get_executor());
            outbox.start();
            database.run("BEGIN IMMEDIATE");
            outbox.add(database.connection(), placed{"k", "1"});
            outbox.add(database.connection(), placed{"k", "2"});
            database.run("COMMIT");
            outbox.committed();
            co_await cobus::test::until([&] { return outbox.status().shards == 16; });
            co_await outbox.stop(); // it had its try
            CHECK(database.waiting() == 2);
            CHECK(all.empty());
        }
        faults.connect();
        cobus::outbox outbox(bus, cobus::sqlite_outbox(folder.file()), blocking.get_executor());
        outbox.start();
        co_await cobus::test::until([&] { return all.size() == 2; });
        CHECK(texts_of(all) == texts{"1", "2"});
        co_await cobus::test::until([&] { return database.waiting() == 0; });
        CHECK(database.refused() == 0);
        co_await outbox.stop();
        co_await bus.stop();
    });
}

TEST_CASE("what a handler adds because of an event has the same id when it runs again") {
    using namespace outbox_service;
    const shop_folder folder;
    const shop database(folder.file());
    serve(folder.file(),
          [&](cobus::bus& bus, cobus::outbox& outbox, heard_list& all) -> net::awaitable<void> {
              int tries = 0;
              auto answering = bus.on<asked>(
                  cobus::handler("answering")
                      .retry(cobus::retry_policy().backoff(std::chrono::milliseconds(0),
                                                           std::chrono::milliseconds(0))),
                  [&](const asked& question, cobus::context& context) {
                      outbox.add(database.connection(), context, placed{"a", question.text});
                      outbox.add(database.connection(), context, placed{"b", question.text});
                      if (++tries == 1) {
                          throw std::runtime_error("after the commit");
                      }
                  });
              asked question{"why"};
              co_await bus.publish(question);
              co_await cobus::test::until([&] { return tries == 2; });
              outbox.committed();
              co_await cobus::test::until([&] { return all.size() == 4; });
              std::map<std::string, int> ids;
              for (const heard& each : all) {
                  ++ids[each.id];
              }
              REQUIRE(ids.size() == 2);
              CHECK(ids.begin()->second == 2);
          });
}

TEST_CASE("a confirmation in the handler's transaction makes its effect once-only") {
    using namespace outbox_service;
    const shop_folder folder;
    const shop database(folder.file());
    serve(folder.file(), [&](cobus::bus& bus, cobus::outbox&, heard_list&) -> net::awaitable<void> {
        const cobus::inbox inbox(bus);
        int tries = 0;
        auto answering =
            bus.on<asked>(cobus::handler("answering")
                              .retry(cobus::retry_policy().backoff(std::chrono::milliseconds(0),
                                                                   std::chrono::milliseconds(0))),
                          [&](const asked&, cobus::context& context) {
                              ++tries;
                              database.run("BEGIN IMMEDIATE");
                              if (!inbox.confirm(database.connection(), context)) {
                                  database.run("ROLLBACK");
                                  return;
                              }
                              database.run("INSERT INTO effects VALUES('answered')");
                              if (tries == 1) {
                                  database.run("ROLLBACK"); // as a crash would
                                  throw std::runtime_error("before the commit");
                              }
                              database.run("COMMIT");
                              if (tries == 2) {
                                  throw std::runtime_error("after the commit");
                              }
                          });
        asked question{"why"};
        const auto named = cobus::with().id("one");
        co_await bus.publish(question, named);
        co_await bus.publish(question, named);
        co_await cobus::test::until([&] { return tries == 4; });
        CHECK(database.effects() == 1);
        const auto another = cobus::with().id("another");
        co_await bus.publish(question, another);
        co_await cobus::test::until([&] { return database.effects() == 2; });
    });
}

TEST_CASE("claims of an inbox: the second copy is busy, then done; an old holder is told") {
    using namespace outbox_service;
    using answer = cobus::inbox_claim::answer;
    const shop_folder folder;
    const shop database(folder.file());
    serve(folder.file(), [&](cobus::bus& bus, cobus::outbox&, heard_list&) -> net::awaitable<void> {
        const cobus::inbox inbox(bus);
        bool over = false;
        auto answering = bus.on<asked>("answering", [&](const asked&, cobus::context& context) {
            const auto first = inbox.claim(database.connection(), context);
            CHECK(first.what == answer::run);
            const auto copy = inbox.claim(database.connection(), context);
            CHECK(copy.what == answer::busy);
            CHECK(copy.left > std::chrono::seconds(30));
            inbox.release(database.connection(), context, first);
            const auto next = inbox.claim(database.connection(), context);
            CHECK(next.what == answer::run);
            CHECK(next.fence > first.fence);
            CHECK_FALSE(inbox.confirm(database.connection(), context, first));
            CHECK(inbox.confirm(database.connection(), context, next));
            CHECK(inbox.claim(database.connection(), context).what == answer::done);
            over = true;
        });
        asked question{"why"};
        co_await bus.publish(question);
        co_await cobus::test::until([&] { return over; });
    });
}

TEST_CASE(
    "an inbox warns of a window that an outage and retries outlast, and refuses short leases") {
    cobus::net::io_context context;
    cobus::settings how;
    std::string said;
    how.logger([&](cobus::log_level, std::string_view text) { said += text; });
    cobus::bus bus(context.get_executor(), how);
    const cobus::inbox right(bus);
    CHECK(said.empty());
    const auto retries = cobus::retry_policy().attempts(3).backoff(std::chrono::minutes(10),
                                                                   std::chrono::minutes(10));
    const cobus::inbox longer(bus, cobus::inbox_options()
                                       .window(std::chrono::minutes(100))
                                       .longest_outage(std::chrono::minutes(70))
                                       .retries(retries));
    CHECK(said.empty());
    const cobus::inbox shorter(bus, cobus::inbox_options()
                                        .window(std::chrono::minutes(90))
                                        .longest_outage(std::chrono::minutes(70))
                                        .retries(retries));
    CHECK(said.find("remembers for 5400 s") != std::string::npos);
    CHECK(said.find("5490 s later") != std::string::npos);
    const auto make = [&bus] {
        const cobus::inbox never(bus, cobus::inbox_options()
                                          .lease(std::chrono::seconds(30))
                                          .handler_limit(std::chrono::seconds(30)));
    };
    CHECK_THROWS_AS(make(), cobus::error);
}
