// expects: cobus: the contract's topic is no topic name
#include <cobus/catalogue.hpp>

struct note {};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "my notes";
};

const auto size = cobus::catalogue<note>::size();
