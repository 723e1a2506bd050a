#include "outbox_service.hpp"
#include "temporary_folder.hpp"

#include <cobus/sqlite.hpp>
#include <cobus/testing/scripted_transport.hpp>

#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/thread_pool.hpp>
#include <doctest/doctest.h>
#include <sqlite3.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

// Writers and relays that are killed at any moment, again and again, judged by what "Kafka", a file
// that outlives them, has at the end.

namespace outbox_crashes {

using outbox_service::placed;
namespace net = cobus::net;

constexpr std::size_t keys = 3;

/// A transport that appends "id key text" to a file: one write, which a kill does not divide.
auto file_log(const std::string& path) -> cobus::transport_factory {
    return [path](const cobus::transport_options&) {
        auto made = std::make_unique<cobus::testing::scripted_transport>();
        made->is(cobus::link::up);
        made->bytes = true;
        made->answer_at_once = std::error_code();
        made->on_publish = [path](cobus::publish_node& node) {
            const std::string line = node.content->id().str() + " " +
                                     std::string(node.content->key().value_or("?")) + " " +
                                     std::string(node.content->payload()) + "\n";
            const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
            (void)!::write(file, line.data(), line.size());
            ::close(file);
        };
        return made;
    };
}

class connection {
public:
    explicit connection(const std::string& path) {
        if (sqlite3_open(path.c_str(), &open_) != SQLITE_OK) {
            throw std::runtime_error(path);
        }
        sqlite3_busy_timeout(open_, 30'000);
        run("PRAGMA journal_mode=WAL");
        run("CREATE TABLE IF NOT EXISTS orders(key TEXT, number INTEGER, PRIMARY KEY(key, "
            "number))");
        cobus::outbox::create_tables(open_);
    }
    connection(const connection&) = delete;
    auto operator=(const connection&) -> connection& = delete;
    ~connection() { sqlite3_close(open_); }

    [[nodiscard]] auto get() const -> sqlite3* { return open_; }
    void run(const std::string& sql) const {
        if (sqlite3_exec(open_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
            throw std::runtime_error(sqlite3_errmsg(open_));
        }
    }
    [[nodiscard]] auto number(const std::string& sql) const -> int {
        sqlite3_stmt* made = nullptr;
        if (sqlite3_prepare_v2(open_, sql.c_str(), -1, &made, nullptr) != SQLITE_OK) {
            throw std::runtime_error(sqlite3_errmsg(open_));
        }
        const int found = sqlite3_step(made) == SQLITE_ROW ? sqlite3_column_int(made, 0) : -1;
        sqlite3_finalize(made);
        return found;
    }

private:
    sqlite3* open_ = nullptr;
};

/// Places orders, each with its event in one transaction; every fifth is rolled back.
void write_orders(const std::string& database, const cobus::outbox& outbox, unsigned seed) {
    const connection shop(database);
    std::minstd_rand random(seed);
    for (int round = 0;; ++round) {
        shop.run("BEGIN IMMEDIATE");
        for (int i = 0; i < 3; ++i) {
            const std::string key(1, static_cast<char>('a' + random() % keys));
            const int next = shop.number("SELECT coalesce(max(number), 0) + 1 FROM orders WHERE "
                                         "key = '" +
                                         key + "'");
            shop.run("INSERT INTO orders VALUES('" + key + "', " + std::to_string(next) + ")");
            outbox.add(shop.get(), placed{key, std::to_string(next)});
        }
        shop.run(round % 5 == 4 ? "ROLLBACK" : "COMMIT");
        outbox.committed();
    }
}

/// A process that writes and relays until it is killed.
[[noreturn]] void live(const std::string& database, const std::string& log, unsigned seed) {
    net::io_context context;
    asio::thread_pool blocking(1);
    cobus::bus bus(context.get_executor(), cobus::test::quiet(), cobus::over(file_log(log)));
    bus.start(asio::detached);
    const auto quick = cobus::outbox_options().batch(16);
    const cobus::outbox outbox(bus, cobus::sqlite_outbox(database), blocking.get_executor(), quick);
    // As if the leases of the dead had run out, which takes 3 s at least.
    connection(database).run("UPDATE cobus_outbox_lease SET until = 0");
    outbox.start();
    const auto work = net::make_work_guard(context);
    std::thread writer([&] { write_orders(database, outbox, seed); });
    for (;;) {
        context.run_for(std::chrono::hours(1));
    }
}

struct line {
    std::string id;
    std::string key;
    int number = 0;
};
auto lines_of(const std::string& path) -> std::vector<line> {
    std::vector<line> all;
    std::ifstream in(path);
    std::string text;
    while (std::getline(in, text) && !in.eof()) { // else it is just being written
        std::istringstream words(text);
        line each;
        std::string payload;
        words >> each.id >> each.key >> payload;
        each.number = std::stoi(payload.substr(payload.find('|') + 1));
        all.push_back(each);
    }
    return all;
}

} // namespace outbox_crashes

TEST_CASE(
    "writers and relays killed at any moment lose nothing, keep order, and copy with one id") {
    using namespace outbox_crashes;
    const cobus::test::temporary_folder folder;
    const std::string database = (folder.path() / "shop.db").string();
    const std::string log = (folder.path() / "log").string();
    {
        const connection made(database);
    }
    std::minstd_rand random(20261121);
    std::size_t before = 0;
    int grew = 0;
    for (unsigned round = 0; round < 12; ++round) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            live(database, log, round + 1);
        }
        const auto begun = std::chrono::steady_clock::now();
        while (lines_of(log).size() <= before && // its first rows, then any moment
               std::chrono::steady_clock::now() - begun < std::chrono::seconds(20)) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 50'000));
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));
        const std::size_t now = lines_of(log).size();
        grew += now > before ? 1 : 0;
        before = now;
    }
    CHECK(grew == 12); // each of them did something

    const connection shop(database);
    shop.run("UPDATE cobus_outbox_lease SET until = 0");
    net::io_context context;
    asio::thread_pool blocking(1);
    cobus::test::run(context, [&]() -> net::awaitable<void> {
        cobus::bus bus(context.get_executor(), cobus::test::quiet(), cobus::over(file_log(log)));
        co_await bus.start();
        cobus::outbox outbox(bus, cobus::sqlite_outbox(database), blocking.get_executor());
        outbox.start();
        co_await cobus::test::until([&] { return cobus::outbox::count(shop.get()).waiting == 0; });
        co_await outbox.stop();
        co_await bus.stop();
    });

    std::map<std::string, int> last;                        // of first copies, by key
    std::map<std::pair<std::string, int>, std::string> ids; // by event
    std::size_t copies = 0;
    for (const line& each : lines_of(log)) {
        const auto [known, first] = ids.try_emplace({each.key, each.number}, each.id);
        if (first) {
            CHECK(each.number == ++last[each.key]); // none missing, none overtaken
        } else {
            ++copies;
            CHECK(known->second == each.id);
        }
    }
    int committed = 0;
    for (const auto& [key, number] : last) {
        CHECK(number == shop.number("SELECT max(number) FROM orders WHERE key = '" + key + "'"));
        committed += number;
    }
    CHECK(committed == shop.number("SELECT count(*) FROM orders"));
    CHECK(committed == static_cast<int>(ids.size()));
    MESSAGE(committed << " events, " << copies << " copies");
}
