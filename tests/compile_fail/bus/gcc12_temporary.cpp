// expects: cobus: GCC 12 would destroy this temporary twice inside co_await: give it a name first
// compiler: GNU 12
#include <cobus/cobus.hpp>

#include <string>

struct note {
    std::string text;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
};

cobus::net::awaitable<void> wrong(cobus::bus& bus) { co_await bus.publish(note{"hello"}); }
