// expects: cobus: JSON has no form for this type
#include <cobus/json.hpp>

#include <string>

struct opaque {
    void* handle;
};

struct note {
    opaque text;
};

template <> struct cobus::contract<note> {
    static constexpr auto fields = cobus::fields(cobus::field("text", &note::text));
};

std::string write(const note& from) {
    std::string out;
    return cobus::json_codec::encode(from, out).ok() ? out : std::string();
}
