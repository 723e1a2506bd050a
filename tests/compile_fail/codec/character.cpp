// expects: cobus: a character is neither text nor number in JSON
#include <cobus/json.hpp>

#include <string>

struct note {
    char text;
};

template <> struct cobus::contract<note> {
    static constexpr auto fields = cobus::fields(cobus::field("text", &note::text));
};

std::string write(const note& from) {
    std::string out;
    return cobus::json_codec::encode(from, out).ok() ? out : std::string();
}
