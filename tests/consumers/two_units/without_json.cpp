#include "round_trip.hpp"

std::string note_without_json() { return round_trip(note{"greeting"}); }
