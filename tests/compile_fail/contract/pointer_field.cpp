// expects: cobus: an event owns its fields: no pointers
#include <cobus/contract.hpp>

struct note {
    const char* text;
};

const auto fields = cobus::fields(cobus::field("text", &note::text));
