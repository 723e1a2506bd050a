// expects: cobus: a const event cannot be moved from
#include <cobus/cobus.hpp>

#include <string>

struct note {
    std::string text;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
};

cobus::net::awaitable<void> wrong(cobus::bus& bus) {
    const note named{"hello"};
    co_await bus.publish(cobus::take(named));
}
