// expects: cobus: an event must be movable or copyable
#include <cobus/catalogue.hpp>

struct note {
    note() = default;
    note(const note&) = delete;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
};

const auto size = cobus::catalogue<note>::size();
