#include "json_samples.hpp"

#include <cobus/message.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

// Any bytes: the codec judges them as a second parser does, and what it reads it writes and reads
// again.

namespace {

void demand(bool holds, const char* what) {
    if (!holds) {
        std::fputs(what, stderr);
        std::abort();
    }
}

template <class E>
void there_and_back(std::string_view text) {
    E event;
    if (!cobus::json_codec::decode(text, event).ok()) {
        return;
    }
    std::string written;
    demand(cobus::json_codec::encode(event, written).ok(), "read, but not writable\n");
    E again;
    demand(cobus::json_codec::decode(written, again).ok(), "written, but not readable\n");
    demand(again == event, "changed on the way\n");
}

} // namespace

extern "C" auto LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) -> int {
    const std::string text(reinterpret_cast<const char*>(data), size);
    nlohmann::json free;
    if (cobus::json_codec::decode(text, free).ok()) {
        demand(nlohmann::json::accept(text), "taken, but not JSON\n");
    }
    there_and_back<samples::everything>(text);
    there_and_back<samples::greeting>(text);
    there_and_back<samples::branch>(text);
    static_cast<void>(cobus::json_codec::peek_type(text, "type"));
    cobus::message message;
    message.payload(text);
    if (cobus::json_codec::unwrap(message).ok()) {
        std::string wrapped;
        demand(cobus::json_codec::wrap(message, wrapped).ok(), "unwrapped, but not wrappable\n");
    }
    return 0;
}
