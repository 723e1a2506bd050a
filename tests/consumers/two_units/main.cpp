#include "round_trip.hpp"

#include <cstdio>

int main() {
    const std::string without = note_without_json();
    const bool same = without == note_with_json() && without != "greeting";
    std::puts(same ? letter_with_json().c_str() : "what a file includes changes what it does");
}
