// expects: cobus: a handler takes (const E&) or (const E&, cobus::context&)
#include <cobus/cobus.hpp>

#include <string>

struct note {
    std::string text;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
};

void wrong(cobus::bus& bus) {
    auto listener = bus.on<note>("listener", [](int) {});
}
