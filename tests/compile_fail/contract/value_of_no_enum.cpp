// expects: cobus: value() names the enumerators of an enum
#include <cobus/contract.hpp>

const auto values = cobus::values(cobus::value("one", 1));
