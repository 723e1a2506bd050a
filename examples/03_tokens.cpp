// 03 Tokens: the same operations from code that has no coroutines. A future where blocking is fine,
// a callback where it is not, and many events in one go.
#include <cobus/cobus.hpp>

#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <iostream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

struct order_placed {
    std::string order_id;
    int amount = 0;
};

template <> struct cobus::contract<order_placed> {
    static constexpr std::string_view type = "order.placed", topic = "orders";
    static constexpr auto key = &order_placed::order_id;
};

cobus::net::awaitable<void> place_some(cobus::bus& bus) {
    // Builds the event in place and publishes it.
    co_await bus.emit<order_placed>("o-3", 30);

    // One result for each event, in their order.
    const std::vector<order_placed> orders{{"o-4", 40}, {"o-5", 50}};
    const auto results = co_await bus.publish_all(orders);
    for (const cobus::publish_result& result : results) {
        std::cout << (result.ec ? result.ec.message()
                                : "at offset " + std::to_string(result.where.offset()))
                  << "\n";
    }
}

int main() {
    // The bus works on the pool's thread. A future must not be waited for on the thread that would
    // have to complete it.
    asio::thread_pool pool(1);
    cobus::bus bus(pool.get_executor(), cobus::settings());
    auto shipping = bus.on<order_placed>("shipping", [](const order_placed& order) {
        std::cout << "shipping " << order.order_id + "\n";
    });
    bus.start(asio::use_future).get();

    // Synchronous: get() throws what went wrong.
    bus.publish(order_placed{"o-1", 10}, asio::use_future).get();

    // A callback gets an error code instead. It runs on the bus's executor.
    bus.publish(order_placed{"o-2", 20}, [](std::error_code ec, const cobus::receipt& receipt) {
        std::cout << (ec ? ec.message() : "o-2 is in " + std::string(receipt.topic())) + "\n";
    });

    asio::co_spawn(pool, place_some(bus), asio::use_future).get();

    bus.call(order_placed{"o-6", 60}, asio::use_future).get(); // published and handled
    bus.stop(asio::use_future).get();
    pool.join();
}
