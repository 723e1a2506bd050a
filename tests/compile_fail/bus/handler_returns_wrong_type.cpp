// expects: cobus: a handler returns void, cobus::outcome, or an awaitable of one of them
#include <cobus/cobus.hpp>

#include <string>

struct note {
    std::string text;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
};

void wrong(cobus::bus& bus) {
    auto listener = bus.on<note>("listener", [](const note&) { return 1; });
}
