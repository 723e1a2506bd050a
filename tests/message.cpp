#include <cobus/message.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

namespace {

struct note {
    std::string text;
    int number = 0;
};

struct note_codec { // "number:text"
    static constexpr std::string_view content_type = "text/plain";
    inline static int encoded = 0;
    inline static int decoded = 0;

    static auto encode(const note& from, std::string& out) -> cobus::codec_result {
        ++encoded;
        if (from.number < 0) {
            return cobus::codec_result("number is negative");
        }
        out.append(std::to_string(from.number)).append(":").append(from.text);
        return cobus::codec_result();
    }
    template <class E> static auto decode(std::string_view bytes, E& into) -> cobus::codec_result {
        ++decoded;
        const auto colon = bytes.find(':');
        if (colon == std::string_view::npos) {
            return cobus::codec_result("no colon");
        }
        into.number = std::stoi(std::string(bytes.substr(0, colon)));
        into.text = bytes.substr(colon + 1);
        return cobus::codec_result();
    }
};

struct same_note { // another struct for the same bytes
    std::string text;
    int number = 0;
};

} // namespace

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
    using codec = note_codec;
};
template <> struct cobus::contract<same_note> {
    static constexpr std::string_view type = "note", topic = "notes";
    struct codec {
        static constexpr std::string_view content_type = "text/plain";
        static auto encode(const same_note& /*from*/, std::string& /*out*/) -> cobus::codec_result {
            return cobus::codec_result("unused");
        }
        static auto decode(std::string_view bytes, same_note& into) -> cobus::codec_result {
            return note_codec::decode(bytes, into);
        }
    };
};

TEST_CASE("a typed payload is encoded once, and only when asked for") {
    note_codec::encoded = 0;
    cobus::message content;
    content.adopt(cobus::detail::make_box<note>("hello", 7));
    CHECK(note_codec::encoded == 0);
    CHECK_FALSE(content.is_null());
    REQUIRE(content.ensure_bytes().ok());
    REQUIRE(content.ensure_bytes().ok());
    CHECK(note_codec::encoded == 1);
    CHECK(content.payload() == "7:hello");
    CHECK(content.object<note>()->text == "hello");
}

TEST_CASE("bytes are decoded once for each type that is asked for") {
    note_codec::decoded = 0;
    cobus::message content("notes", "note", "7:hello");
    CHECK(content.object<note>() == nullptr);
    REQUIRE(content.ensure_object(cobus::detail::info_of<note>()).ok());
    REQUIRE(content.ensure_object(cobus::detail::info_of<note>()).ok());
    REQUIRE(content.ensure_object(cobus::detail::info_of<same_note>()).ok());
    CHECK(note_codec::decoded == 2);
    CHECK(content.object<note>()->number == 7);
    CHECK(content.object<same_note>()->text == "hello");
}

TEST_CASE("a typed event reaches a handler of another struct through its bytes") {
    cobus::message content;
    content.adopt(cobus::detail::make_box<note>("hello", 7));
    REQUIRE(content.ensure_object(cobus::detail::info_of<same_note>()).ok());
    CHECK(content.object<same_note>()->number == 7);
    CHECK(content.contract() == &cobus::detail::info_of<note>()); // still what it was published as
}

TEST_CASE("what does not encode or decode says why") {
    cobus::message bad;
    bad.adopt(cobus::detail::make_box<note>("x", -1));
    CHECK(bad.ensure_bytes().problem() == "number is negative");
    cobus::message worse("notes", "note", "nonsense");
    CHECK(worse.ensure_object(cobus::detail::info_of<note>()).problem() == "no colon");
    cobus::message tombstone;
    tombstone.no_payload();
    CHECK(tombstone.ensure_object(cobus::detail::info_of<note>()).problem().find("tombstone") !=
          std::string::npos);
}

TEST_CASE("a null payload is no empty one, and no key is no empty key") {
    cobus::message content;
    CHECK(content.is_null());
    CHECK_FALSE(content.key());
    content.payload("");
    content.key("");
    CHECK_FALSE(content.is_null());
    REQUIRE(content.key());
    CHECK(content.key()->empty());
    content.no_payload();
    content.no_key();
    CHECK(content.is_null());
    CHECK_FALSE(content.key());
}

TEST_CASE("moving a message keeps its views good") {
    cobus::message from("notes", "note", "short");
    from.key("k");
    from.source("here");
    from.headers().add("a", "1");
    const cobus::message to(std::move(from));
    CHECK(to.topic() == "notes");
    CHECK(to.type() == "note");
    CHECK(to.payload() == "short");
    CHECK(*to.key() == "k");
    CHECK(to.source() == "here");
    CHECK(to.headers().get("a") == "1");
}

TEST_CASE("what the views point into is released with the message") {
    static int released = 0;
    {
        cobus::message content;
        content.hold(&released, [](void* held) noexcept { ++*static_cast<int*>(held); });
        const cobus::message moved(std::move(content));
        CHECK(released == 0);
    }
    CHECK(released == 1);
}

namespace message_test {

struct tagged {
    std::string tag, kind;
};

} // namespace message_test

template <> struct cobus::contract<message_test::tagged> {
    static constexpr std::string_view topic = "tags";
    static constexpr auto type = &message_test::tagged::kind;
    static constexpr auto key = &message_test::tagged::tag;
    struct codec {
        static constexpr std::string_view content_type = "text/plain";
        static auto encode(const message_test::tagged& from, std::string& out)
            -> cobus::codec_result {
            out.append(from.tag);
            return cobus::codec_result();
        }
        static auto decode(std::string_view bytes, message_test::tagged& into)
            -> cobus::codec_result {
            into.tag = bytes;
            return cobus::codec_result();
        }
    };
};

TEST_CASE("a message that was encoded from an event needs the event no more") {
    const cobus::detail::contract_info& info = cobus::detail::info_of<message_test::tagged>();
    cobus::message content;
    {
        std::string bytes = "the bytes of it, which are not kept";
        const message_test::tagged event{"a tag that is too long for a short string", "tag.given"};
        content.type_view(event.kind);
        content.key_view(event.tag);
        content.source_view("/here");
        content.encoded(bytes, info);
        bytes.assign(bytes.size(), '?');
    }
    CHECK(content.payload() == "the bytes of it, which are not kept");
    CHECK(*content.key() == "a tag that is too long for a short string");
    CHECK(content.type() == "tag.given");
    CHECK(content.source() == "/here");
    CHECK(content.contract() == nullptr); // there is no event in it
    CHECK(content.written_as() == &info);
    const cobus::message moved(std::move(content));
    CHECK(*moved.key() == "a tag that is too long for a short string");
    CHECK(moved.written_as() == &info);
    cobus::message reading;
    reading.borrow(moved, moved.published());
    CHECK(reading.payload() == moved.payload());
    CHECK(reading.written_as() == &info);
    REQUIRE(reading.ensure_object(info).ok());
    CHECK(reading.object<message_test::tagged>()->tag == "the bytes of it, which are not kept");
}

TEST_CASE("a message that was encoded keeps an empty key, an empty payload, and what it was told") {
    cobus::message content;
    content.type_view(cobus::contract<note>::type);
    content.key("");
    content.encoded("", cobus::detail::info_of<note>());
    REQUIRE(content.key());
    CHECK(content.key()->empty());
    CHECK_FALSE(content.is_null());
    CHECK(content.payload().empty());
    CHECK(content.type() == "note");
    cobus::message other;
    other.source("/somewhere");
    other.key("k");
    other.adopt(cobus::detail::make_box<note>("hello", 7));
    other.encoded("7:hello", cobus::detail::info_of<note>());
    CHECK(other.source() == "/somewhere");
    CHECK(*other.key() == "k");
    CHECK(other.published() == nullptr);
    CHECK(other.payload() == "7:hello");
}
