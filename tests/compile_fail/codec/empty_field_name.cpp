// expects: cobus: a field's name is empty or holds quotes
#include <cobus/json.hpp>

#include <string>

struct note {
    std::string text;
};

template <> struct cobus::contract<note> {
    static constexpr auto fields = cobus::fields(cobus::field("", &note::text));
};

std::string write(const note& from) {
    std::string out;
    return cobus::json_codec::encode(from, out).ok() ? out : std::string();
}
