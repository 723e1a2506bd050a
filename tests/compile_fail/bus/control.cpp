// expects: nothing
#include <cobus/cobus.hpp>

#include <string>

struct note {
    std::string text;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
};

// What the other files here do wrong, done right.
cobus::net::awaitable<void> right(cobus::bus& bus) {
    auto listener = bus.on<note>("listener", [](const note&, cobus::context&) {});
    note named{"hello"};
    co_await bus.publish(named);
    co_await bus.publish(cobus::take(named));
    co_await bus.emit<note>("hello");
}
