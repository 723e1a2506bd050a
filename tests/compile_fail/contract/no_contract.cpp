// expects: cobus: this type has no contract: specialise cobus::contract<E>
#include <cobus/catalogue.hpp>

struct note {};

using events = cobus::catalogue<note>;
const auto size = events::size();
