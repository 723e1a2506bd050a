// expects: cobus: a batch holds copies of its events
// expects: cobus: a batch handler takes (std::span<const E>) or
// expects: cobus: a batch handler returns void or an awaitable of it;

#include <cobus/cobus.hpp>

#include <memory>
#include <span>
#include <string>

struct note {
    std::string text;
};
struct parcel {
    std::unique_ptr<int> content;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
};
template <> struct cobus::contract<parcel> {
    static constexpr std::string_view type = "parcel", topic = "parcels";
};

void wrong(cobus::bus& bus) {
    auto one = bus.on_batch<parcel>("one", [](std::span<const parcel>) {});
    auto two = bus.on_batch<note>("two", [](const note&) {});
    auto three = bus.on_batch<note>("three", [](std::span<const note>) { return 3; });
}
