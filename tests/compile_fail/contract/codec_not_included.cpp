// expects: cobus: the contract's codec is only declared
// expects: <cobus/json.hpp>
#include <cobus/catalogue.hpp>

struct note {};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
    using codec = cobus::json_codec;
};

const auto size = cobus::catalogue<note>::size();
