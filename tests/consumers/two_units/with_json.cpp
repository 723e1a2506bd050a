#include "round_trip.hpp"

#include <cobus/json.hpp>

struct letter {
    std::string text;
};

template <> struct cobus::contract<letter> {
    static constexpr std::string_view type = "letter", topic = "letters";
    static constexpr auto fields = cobus::fields(cobus::field("text", &letter::text));
    using codec = cobus::json_codec;
};

std::string note_with_json() { return round_trip(note{"greeting"}); }

std::string letter_with_json() { return round_trip(letter{"greeting"}); }
