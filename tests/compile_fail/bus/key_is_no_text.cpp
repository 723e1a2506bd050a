// expects: cobus: a key, type, topic or id is text or an integer
#include <cobus/cobus.hpp>

struct note {
    double weight;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
    static constexpr auto key = &note::weight;
};

cobus::net::awaitable<void> wrong(cobus::bus& bus) {
    note named{1.5};
    co_await bus.publish(named);
}
