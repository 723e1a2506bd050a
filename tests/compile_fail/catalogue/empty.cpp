// expects: cobus: a catalogue lists at least one event
#include <cobus/catalogue.hpp>

const auto size = cobus::catalogue<>::size();
