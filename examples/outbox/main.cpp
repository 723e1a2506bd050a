// A shop on SQLite: an order and its event are committed together or not at all, and an order is
// invoiced once, however often its event comes. Killed at any point and started again, it goes on
// where it was. Usage: outbox [FILE].
#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/sqlite.hpp>

#include <asio/thread_pool.hpp>
#include <sqlite3.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

using cobus::net::awaitable;

struct order_placed {
    std::string number;
    int cents = 0;
};
struct invoice_made {
    std::string order;
};

template <> struct cobus::contract<order_placed> {
    static constexpr std::string_view type = "order.placed", topic = "orders";
    static constexpr auto key = &order_placed::number;
    static constexpr bool outbox = true; // through the table only
    static constexpr auto fields = cobus::fields(cobus::field("number", &order_placed::number),
                                                 cobus::field("cents", &order_placed::cents));
    using codec = cobus::json_codec;
};
template <> struct cobus::contract<invoice_made> {
    static constexpr std::string_view type = "invoice.made", topic = "invoices";
    static constexpr auto key = &invoice_made::order;
    static constexpr bool outbox = true;
    static constexpr auto fields = cobus::fields(cobus::field("order", &invoice_made::order));
    using codec = cobus::json_codec;
};

/// The service's own database: nothing in it is cobus's but the tables that it was asked to make.
class database {
public:
    explicit database(const std::string& path) {
        sqlite3* opened = nullptr;
        const int code = sqlite3_open(path.c_str(), &opened);
        connection_.reset(opened);
        if (code != SQLITE_OK) {
            throw std::runtime_error(path + ": " + sqlite3_errmsg(opened));
        }
        sqlite3_busy_timeout(opened, 5000);
        run("PRAGMA journal_mode=WAL");
        run("CREATE TABLE IF NOT EXISTS orders(number TEXT PRIMARY KEY, cents INTEGER)");
        run("CREATE TABLE IF NOT EXISTS invoices(order_number TEXT PRIMARY KEY)");
        cobus::outbox::create_tables(opened);
        cobus::inbox::create_tables(opened);
    }
    [[nodiscard]] auto connection() const -> sqlite3* { return connection_.get(); }
    void run(const std::string& sql) const {
        if (sqlite3_exec(connection(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
            throw std::runtime_error(sqlite3_errmsg(connection()));
        }
    }

private:
    struct closing {
        void operator()(sqlite3* open) const { sqlite3_close(open); }
    };
    std::unique_ptr<sqlite3, closing> connection_;
};

/// Rolled back unless it is committed.
class transaction {
public:
    explicit transaction(const database& on) : on_(&on) { on.run("BEGIN IMMEDIATE"); }
    transaction(const transaction&) = delete;
    auto operator=(const transaction&) -> transaction& = delete;
    ~transaction() {
        if (on_ != nullptr) {
            sqlite3_exec(on_->connection(), "ROLLBACK", nullptr, nullptr, nullptr);
        }
    }
    void commit() {
        on_->run("COMMIT");
        on_ = nullptr;
    }

private:
    const database* on_;
};

/// What a request would do.
void place(const database& shop, const cobus::outbox& outbox, const order_placed& order) {
    transaction work(shop);
    shop.run("INSERT INTO orders VALUES('" + order.number + "', " + std::to_string(order.cents) +
             ")");
    outbox.add(shop.connection(), order);
    work.commit();
    outbox.committed();
}

awaitable<void> serve(std::string path, asio::thread_pool& blocking) {
    const database shop(path);
    cobus::bus bus(co_await cobus::net::this_coro::executor, cobus::settings::from_environment());
    cobus::outbox outbox(bus, cobus::sqlite_outbox(path), blocking.get_executor());
    const cobus::inbox inbox(bus);
    auto billing =
        bus.on<order_placed>("billing", [&](const order_placed& order, cobus::context& context) {
            transaction work(shop);
            if (!inbox.confirm(shop.connection(), context)) {
                return; // a copy
            }
            shop.run("INSERT INTO invoices VALUES('" + order.number + "')");
            outbox.add(shop.connection(), context, invoice_made{order.number});
            work.commit();
            outbox.committed();
        });
    int left = 3;
    cobus::net::steady_timer printed(co_await cobus::net::this_coro::executor,
                                     std::chrono::seconds(30));
    auto printing = bus.on<invoice_made>("printing", [&](const invoice_made& invoice) {
        std::cout << "invoice for order " << invoice.order << "\n";
        if (--left == 0) {
            printed.cancel();
        }
    });
    co_await bus.start();
    outbox.start();
    const auto run = std::chrono::system_clock::now().time_since_epoch().count();
    for (const int i : {1, 2, 3}) { // numbers that no earlier run had
        const order_placed order{std::to_string(run) + "-" + std::to_string(i), i * 100};
        place(shop, outbox, order);
    }
    std::error_code woken;
    co_await printed.async_wait(cobus::net::redirect_error(cobus::net::use_awaitable, woken));
    co_await outbox.stop();
    co_await bus.stop();
}

int main(int count, char** arguments) {
    asio::thread_pool blocking(1); // for the relay's calls of the database
    cobus::net::io_context context;
    cobus::net::co_spawn(context, serve(count > 1 ? arguments[1] : "shop.db", blocking),
                         [](const std::exception_ptr& problem) {
                             if (problem) {
                                 std::rethrow_exception(problem);
                             }
                         });
    context.run();
}
