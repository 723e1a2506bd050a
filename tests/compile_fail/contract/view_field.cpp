// expects: cobus: an event owns its fields: use std::string instead of std::string_view
#include <cobus/contract.hpp>

struct note {
    std::string_view text;
};

const auto fields = cobus::fields(cobus::field("text", &note::text));
