#include <cobus/message_id.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <set>
#include <string>

using cobus::message_id;

TEST_CASE("an id is a UUID of version 7 with the time in front") {
    const cobus::time_point now{std::chrono::milliseconds(0x0123456789AB)};
    const std::string text = message_id::make(now).str();
    REQUIRE(text.size() == 36);
    CHECK(text.substr(0, 13) == "01234567-89ab");
    CHECK(text[14] == '7');
    CHECK(std::string("89ab").find(text[19]) != std::string::npos);
}

TEST_CASE("ids differ even within a millisecond") {
    const cobus::time_point now{std::chrono::milliseconds(1)};
    std::set<std::string> seen;
    for (int i = 0; i < 10000; ++i) {
        seen.insert(message_id::make(now).str());
    }
    CHECK(seen.size() == 10000);
}

TEST_CASE("text that is a UUID comes back as it was, in 16 bytes") {
    const std::string text = "0192f0c1-2a3b-7c4d-8e5f-0123456789ab";
    const message_id id = message_id::from_text(text);
    CHECK(id.is_uuid());
    CHECK(id.str() == text);
    std::array<char, 36> room{};
    CHECK(id.view(room) == text);
    CHECK(id == message_id::from_text(text));
}

TEST_CASE("any other text comes back as it was") {
    for (const std::string text : {"order-17", "0192F0C1-2A3B-7C4D-8E5F-0123456789AB",
                                   "0192f0c1x2a3b-7c4d-8e5f-0123456789ab", "x"}) {
        const message_id id = message_id::from_text(text);
        CHECK_FALSE(id.is_uuid());
        CHECK_FALSE(id.empty());
        CHECK(id.str() == text);
        std::array<char, 36> room{};
        CHECK(id.view(room) == text);
        CHECK(id == message_id::from_text(text));
        CHECK_FALSE(id == message_id());
    }
}

TEST_CASE("an id that was never given is empty") {
    CHECK(message_id().empty());
    CHECK(message_id::from_text("").empty());
}

TEST_CASE("the nil UUID is an id if somebody gives it") {
    const std::string nil = "00000000-0000-0000-0000-000000000000";
    const message_id id = message_id::from_text(nil);
    CHECK_FALSE(id.empty());
    CHECK(id.str() == nil);
    CHECK(id == message_id::from_text(nil));
}
