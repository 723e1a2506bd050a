// expects: cobus: the contract's type is empty
#include <cobus/catalogue.hpp>

struct note {};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "", topic = "notes";
};

const auto size = cobus::catalogue<note>::size();
