// expects: cobus: an event of an outbox has `static constexpr bool outbox = true;`
// expects: cobus: an event of an outbox is stored as bytes: its contract needs a codec
#include <cobus/cobus.hpp>
#include <cobus/sqlite.hpp>

#include <string>

struct note {
    std::string text;
};
struct letter {
    std::string text;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
    static constexpr bool outbox = true; // and no codec
};
template <> struct cobus::contract<letter> {
    static constexpr std::string_view type = "letter", topic = "letters";
};

void wrong(cobus::outbox& box, sqlite3* connection) {
    box.add(connection, note{"hello"});
    box.add(connection, letter{"hello"});
}
