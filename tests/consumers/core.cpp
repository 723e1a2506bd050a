// What a service with the core alone would write, as far as it needs no bus.
#include <cobus/contract.hpp>
#include <cobus/message.hpp>
#include <cobus/net.hpp>

#include <cstdio>
#include <string>

struct greeting {
    std::string text;
};

template <> struct cobus::contract<greeting> {
    static constexpr std::string_view type = "greeting", topic = "greetings";
};

int main() {
    static_assert(cobus::event<greeting>);
    static_assert(requires { typename cobus::net::awaitable<greeting>; });
    std::puts("greeting");
}
