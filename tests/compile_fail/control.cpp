// expects: nothing
#include <cobus/net.hpp>

#include <string_view>

cobus::net::awaitable<std::string_view> answer() { co_return "compiles"; }
