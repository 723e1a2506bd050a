// expects: cobus: the topic comes from the event: list what it can be in contract<E>::topics
#include <cobus/cobus.hpp>

#include <string>

struct note {
    std::string where;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note";
    static constexpr auto topic = &note::where;
};

void wrong(cobus::bus& bus) {
    auto listener = bus.on<note>("listener", [](const note&) {});
}
