// expects: this event's contract says that it is published through an outbox
#include <cobus/cobus.hpp>

#include <string>

struct note {
    std::string text;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
    static constexpr bool outbox = true;
};

cobus::net::awaitable<void> wrong(cobus::bus& bus) {
    note named{"hello"};
    co_await bus.publish(named);
}
