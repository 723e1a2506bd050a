// expects: cobus: this type has no contract: specialise cobus::contract<E>
#include <cobus/cobus.hpp>

struct unknown {};

void wrong(cobus::bus& bus) {
    auto listener = bus.on<unknown>("listener", [](const unknown&) {});
}
