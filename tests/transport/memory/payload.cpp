#include "memory_peer.hpp"

#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace cobus;

namespace {

struct ping {
    std::string text;
};
struct mute {
    std::string text;
};

/// Counts what it does.
struct counting_codec {
    static constexpr std::string_view content_type = "text/plain";
    static inline int encodes = 0;
    static auto encode(const ping& from, std::string& out) -> codec_result {
        ++encodes;
        out = from.text;
        return from.text == "bad" ? codec_result("text: is bad") : codec_result();
    }
    static auto decode(std::string_view bytes, ping& into) -> codec_result {
        into.text = bytes;
        return codec_result();
    }
};

} // namespace

template <>
struct cobus::contract<ping> {
    static constexpr std::string_view type = "ping", topic = "pings";
    static constexpr auto key = &ping::text;
    using codec = counting_codec;
};
template <>
struct cobus::contract<mute> {
    static constexpr std::string_view type = "mute", topic = "mutes";
};

namespace {

template <class E>
auto typed(std::string text) -> message_ptr {
    message_ptr made = make_message();
    auto* held = detail::make_box<E>(std::move(text));
    made->topic(contract<E>::topic);
    made->type_view(contract<E>::type);
    made->key_view(held->value.text);
    made->adopt(held);
    return made;
}

} // namespace

TEST_CASE("A typed event reaches the handlers of all groups without being serialised") {
    counting_codec::encodes = 0;
    const auto bus = memory()(small_options());
    memory_peer one(*bus, "one", {"pings"});
    memory_peer two(*bus, "two", {"pings"});
    one.run();
    two.run();
    message_ptr content = typed<ping>("hello");
    const ping* event = content->object<ping>();
    publish(*bus, std::move(content));
    one.run();
    two.run();
    REQUIRE(one.got.size() == 1);
    REQUIRE(two.got.size() == 1);
    CHECK(one.got[0].content->object<ping>() == event);
    CHECK(two.got[0].content->object<ping>() == event);
    CHECK(one.got[0].content != two.got[0].content);
    CHECK(two.got[0].content->key() == "hello");
    CHECK(two.got[0].content->contract() == &detail::info_of<ping>());
    CHECK(counting_codec::encodes == 0);
    CHECK(two.got[0].content->ensure_bytes().ok());
    CHECK(two.got[0].content->payload() == "hello");
    CHECK_MESSAGE(one.got[0].content->payload().empty(), "each group makes forms of its own");
    one.give_back();
    two.give_back();
}

TEST_CASE("With serialise every message is bytes, and texts of its own") {
    counting_codec::encodes = 0;
    transport_options options = small_options();
    options.serialise = true;
    const auto bus = memory()(options);
    CHECK(bus->wants_bytes());
    memory_peer one(*bus, "one", {"pings"});
    one.run();
    CHECK_FALSE(publish(*bus, typed<ping>("hello")).ec);
    CHECK(counting_codec::encodes == 1);
    one.run();
    REQUIRE(one.got.size() == 1);
    message& content = *one.got[0].content;
    CHECK(content.object<ping>() == nullptr);
    CHECK(content.payload() == "hello");
    CHECK(content.key() == "hello");
    CHECK(content.type() == "ping");
    CHECK(content.ensure_object(detail::info_of<ping>()).ok());
    CHECK(content.object<ping>()->text == "hello");
    one.give_back();
}

TEST_CASE("With serialise an event that has no bytes is an error of its publish") {
    transport_options options = small_options();
    options.serialise = true;
    const auto bus = memory()(options);
    CHECK(publish(*bus, typed<mute>("x")).ec == errc::no_codec);
    const publish_node bad = publish(*bus, typed<ping>("bad"));
    CHECK(bad.ec == errc::not_encodable);
    CHECK(bad.problem == "text: is bad");
}

TEST_CASE("A tombstone, an empty payload and an empty key arrive as what they are") {
    const auto bus = memory()(small_options());
    memory_peer one(*bus, "one", {"t"});
    memory_peer two(*bus, "two", {"t"});
    message_ptr tombstone = make_message();
    tombstone->topic("t");
    tombstone->key("");
    tombstone->headers().add("name", "1");
    tombstone->headers().add_null("name");
    publish(*bus, std::move(tombstone));
    publish(*bus, "t", "");
    for (memory_peer* each : {&one, &two}) {
        each->run();
        REQUIRE(each->got.size() == 2);
        CHECK(each->got[0].content->is_null());
        CHECK(each->got[0].content->key() == "");
        CHECK(each->got[0].content->headers().size() == 2);
        CHECK_FALSE(each->got[1].content->is_null());
        CHECK_FALSE(each->got[1].content->key().has_value());
        each->give_back();
    }
}
