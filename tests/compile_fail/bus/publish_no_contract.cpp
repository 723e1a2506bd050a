// expects: cobus: this type has no contract: specialise cobus::contract<E>
#include <cobus/cobus.hpp>

struct unknown {};

cobus::net::awaitable<void> wrong(cobus::bus& bus) {
    unknown named;
    co_await bus.publish(named);
}
