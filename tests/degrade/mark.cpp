#include <cobus/degrade/mark.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <random>
#include <string>
#include <vector>

namespace mark_tests {

using namespace std::chrono_literals;
using cobus::degrade::longest_mark;
using cobus::degrade::mark_reader;
using cobus::degrade::write_mark;
using time = std::chrono::system_clock::time_point;

TEST_CASE("a mark says which handlers of which group did it, and until when that counts") {
    const time until{1000s};
    const std::vector<std::string> done{"mail", "a,b/c;d%", "\xc3\xa4"};
    const std::string text = write_mark(until, "my group", done);
    CHECK(text == "1;until=1000;my%20group/mail,my%20group/a%2Cb%2Fc%3Bd%25,my%20group/%C3%A4");
    const mark_reader mark(text);
    CHECK(mark.counts(time{999s}));
    CHECK_FALSE(mark.counts(time{1000s}));
    for (const std::string& each : done) {
        CHECK(mark.names("my group", each));
        CHECK_FALSE(mark.names("another", each));
    }
    CHECK_FALSE(mark.names("my group", "mai"));
    CHECK_FALSE(mark.names("my group", "mail2"));
    CHECK_FALSE(mark.names("my group", ""));
}

TEST_CASE("no mark for nobody, nor one that is too long") {
    CHECK(write_mark(time{1s}, "g", {}).empty());
    const std::vector<std::string> many(100, std::string(20, 'x'));
    CHECK(write_mark(time{1s}, "g", many).empty());
    const std::vector<std::string> fits(40, std::string(20, 'x'));
    const std::string text = write_mark(time{1s}, "g", fits);
    CHECK(text.size() <= longest_mark);
    CHECK(mark_reader(text).names("g", fits.front()));
}

TEST_CASE("what is not just as it should be says nothing") {
    for (const char* text :
         {"", "1", "1;", "1;until=", "1;until=;g/h", "1;until=12", "1;until=x;g/h",
          "2;until=99999999999;g/h", "1;until=-5;g/h", "1;until=99999999999999999999999;g/h",
          " 1;until=99999999999;g/h", "1;UNTIL=99999999999;g/h", "1;until=99999999999,g/h"}) {
        CAPTURE(text);
        const mark_reader mark(text);
        CHECK_FALSE((mark.counts(time{1s}) && mark.names("g", "h")));
    }
    const std::string prefix = "1;until=99999999999;";
    for (const char* names :
         {"g", "/h", "g/", "g/h/", "g//h", "g/h;x", "%67/h", "g/%68", ",", "g/h%"}) {
        CAPTURE(names);
        CHECK_FALSE(mark_reader(prefix + names).names("g", "h"));
    }
    CHECK(mark_reader(prefix + ",,x/y,g/h,").names("g", "h"));
    CHECK_FALSE(mark_reader(prefix + std::string(2000, 'x') + ",g/h").names("g", "h"));
}

TEST_CASE("random bytes are read without harm") {
    std::mt19937 random(5);
    const std::string alphabet = "1;until=09%/,gh\xff";
    int counted = 0;
    for (int i = 0; i < 20000; ++i) {
        std::string text = i % 2 == 0 ? "1;until=" : "";
        for (auto n = random() % 40; n > 0; --n) {
            text += alphabet[random() % alphabet.size()];
        }
        const mark_reader mark(text);
        counted += mark.counts(time{1s}) && mark.names("g", "h") ? 1 : 0;
    }
    CHECK(counted < 100);
}

} // namespace mark_tests
