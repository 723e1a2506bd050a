#include "temporary_folder.hpp"

#include <cobus/dispatch/parking.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>

namespace parking_test {

[[nodiscard]] auto content(const std::string& file) -> std::string {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace parking_test

TEST_CASE("a parked letter says all that its topic would have said, whatever the bytes are") {
    cobus::message letter;
    letter.topic("dlq.orders");
    letter.type("order.placed");
    letter.source("/shop");
    letter.id(cobus::message_id::from_text("o-1"));
    letter.time(cobus::time_point(std::chrono::milliseconds(1'700'000'000'123)));
    letter.payload(std::string("\0\n\"", 3));
    letter.headers().add("cobus-dlq-reason", "no");
    letter.headers().add_null("nothing");
    CHECK(
        cobus::detail::parked_line(letter) ==
        R"({"topic":"ZGxxLm9yZGVycw==","id":"by0x","type":"b3JkZXIucGxhY2Vk","source":"L3Nob3A=",)"
        R"("time":1700000000123,"key":null,"payload":"AAoi","headers":[)"
        R"(["Y29idXMtZGxxLXJlYXNvbg==","bm8="],["bm90aGluZw==",null]]})"
        "\n");
}

TEST_CASE("a line that was cut short, as by a full disk, costs no other letter") {
    const cobus::test::temporary_folder folder;
    const std::string file = (folder.path() / "parked.jsonl").string();
    REQUIRE_FALSE(cobus::detail::append_durably(file, "first\n"));
    REQUIRE_FALSE(cobus::detail::append_durably(file, "cut sho"));
    REQUIRE_FALSE(cobus::detail::append_durably(file, "second\n"));
    REQUIRE_FALSE(cobus::detail::append_durably(file, "third\n"));
    CHECK(parking_test::content(file) == "first\ncut sho\nsecond\nthird\n");
    CHECK(cobus::detail::append_durably((folder.path() / "no" / "file").string(), "x\n") ==
          std::errc::no_such_file_or_directory);
}
