#include "temporary_folder.hpp"

#include <cobus/json.hpp>

#include <activity/activity_event.hpp>
#include <activity/array_splitter.hpp>
#include <activity/input_file.hpp>
#include <activity/tally.hpp>
#include <doctest/doctest.h>
#include <zlib.h>

#include <fstream>
#include <string>
#include <system_error>
#include <vector>

namespace {

template <class F> auto each_element(const std::string& path, F&& use) -> std::string {
    activity::input_file file(path);
    activity::array_splitter splitter;
    for (std::string_view piece = file.read(); !piece.empty(); piece = file.read()) {
        splitter.feed(piece);
        while (const auto element = splitter.next()) {
            use(*element);
        }
    }
    CHECK(file.position() == file.size());
    static_cast<void>(splitter.finish());
    return splitter.problem();
}

} // namespace

TEST_CASE("the real activity file goes through the codec and back unchanged") {
    activity::tally counts;
    std::string text;
    activity_event event, back;
    const std::string problem = each_element(ACTIVITY_FILE, [&](std::string_view element) {
        const auto read = cobus::json_codec::decode(element, event);
        REQUIRE_MESSAGE(read.ok(), read.problem());
        text.clear();
        REQUIRE(cobus::json_codec::encode(event, text).ok());
        REQUIRE(cobus::json_codec::decode(text, back).ok());
        REQUIRE(back == event);
        REQUIRE(nlohmann::json::parse(text) == nlohmann::json::parse(element));
        REQUIRE(cobus::json_codec::peek_type(element, "event_type") == event.event_type);
        counts.add(event);
    });
    CHECK(problem == "");
    CHECK(counts.total == 34'868);
    CHECK(counts.by_user.names() == 1'589);
    CHECK(counts.by_type.of("comment_created") == 14'466);
    CHECK(counts.by_type.of("community_created") == 18);
}

TEST_CASE("a plain file is read as well, and a missing, cut off or damaged one is an error") {
    const cobus::test::temporary_folder folder;
    const std::string plain = (folder.path() / "plain.json").string();
    std::ofstream(plain) << "[1,2]";
    std::size_t count = 0;
    CHECK(each_element(plain, [&](std::string_view /*element*/) { ++count; }) == "");
    CHECK(count == 2);
    CHECK_THROWS_AS(activity::input_file((folder.path() / "none").string()), std::system_error);

    std::ifstream whole(ACTIVITY_FILE, std::ios::binary);
    std::string half(100'000, '\0');
    whole.read(half.data(), static_cast<std::streamsize>(half.size()));
    const std::string cut = (folder.path() / "cut.json.gz").string();
    std::ofstream(cut, std::ios::binary) << half;
    CHECK_THROWS_AS(each_element(cut, [](std::string_view /*element*/) {}), std::system_error);
    half[50'000] = static_cast<char>(~half[50'000]);
    std::ofstream(cut, std::ios::binary) << half;
    CHECK_THROWS_AS(each_element(cut, [](std::string_view /*element*/) {}), std::system_error);
}
