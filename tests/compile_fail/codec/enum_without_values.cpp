// expects: cobus: an enum in JSON is written by name: specialise
#include <cobus/json.hpp>

#include <string>

enum class colour { red, green };

struct note {
    colour text;
};

template <> struct cobus::contract<note> {
    static constexpr auto fields = cobus::fields(cobus::field("text", &note::text));
};

std::string write(const note& from) {
    std::string out;
    return cobus::json_codec::encode(from, out).ok() ? out : std::string();
}
