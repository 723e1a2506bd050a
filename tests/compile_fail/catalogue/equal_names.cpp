// expects: cobus: two events of this catalogue have the same type on the same topic
#include <cobus/catalogue.hpp>

struct note {};
struct remark {};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
};
template <> struct cobus::contract<remark> {
    static constexpr std::string_view type = "note", topic = "notes";
};

const auto size = cobus::catalogue<note, remark>::size();
