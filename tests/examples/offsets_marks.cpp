#include <doctest/doctest.h>
#include <offsets/marks.hpp>
#include <offsets/target.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using offsets::read_target;
using offsets::skipped;
using offsets::target;
using time_point = std::chrono::system_clock::time_point;

const time_point now{1'764'000'000s}; // 2025-11-24T16:00:00Z

[[nodiscard]] auto has(const std::string& text, const std::string& part) -> bool {
    return text.find(part) != std::string::npos;
}

[[nodiscard]] auto mark(std::chrono::seconds life, const std::string& group,
                        const std::vector<std::string>& handlers) -> std::string {
    return cobus::degrade::write_mark(now + life, group, handlers);
}

} // namespace

TEST_CASE("marks that count yet and name the group are counted, for each handler") {
    skipped found("billing", now);
    found.add(mark(1h, "billing", {"charge"}));
    found.add(mark(2h, "billing", {"audit", "charge"}));
    found.add(mark(3h, "shipping", {"charge"}));
    found.add(mark(0s, "billing", {"charge"}));
    CHECK(found.messages() == 2);
    const std::string text = found.warning();
    CHECK(has(text, "Warning: 2 messages "));
    CHECK(has(text, "\n  1 of billing/audit\n  2 of billing/charge\n"));
    CHECK(has(text, "COBUS_HONOUR_MARKS=false"));
    CHECK(has(text, "the last mark ends at 2025-11-24T18:00:00.000Z.\n"));
}

TEST_CASE("without such marks there is nothing to say") {
    skipped found("billing", now);
    CHECK(found.warning().empty());
    found.add(mark(-1s, "billing", {"charge"}));
    found.add(mark(1h, "bill", {"charge"}));
    CHECK(found.messages() == 0);
    CHECK(found.warning().empty());
}

TEST_CASE("what a bus does not take for a mark is none") {
    skipped found("billing", now);
    for (const std::string text :
         {"", "1", "=;", "1;until=", "1;until=9999999999", "2;until=9999999999;billing/charge",
          "1;until=9999999999;", "1;until=9999999999;billing", "1;until=9999999999;,,",
          "1;until=9999999999;%62illing/charge", "1;until=-1;billing/charge",
          "1;until=99999999999999999999;billing/charge"}) {
        found.add(text);
        CHECK_MESSAGE(found.messages() == 0, text);
    }
    found.add("1;until=9999999999;" + std::string(cobus::degrade::longest_mark, 'x') +
              ",billing/charge");
    CHECK(found.messages() == 0);
}

TEST_CASE("names with any characters are said as they are, and a handler once for a message") {
    skipped found("Rechnung/Süd", now);
    found.add(mark(1h, "Rechnung/Süd", {"buche, dann %", "buche, dann %"}));
    CHECK(has(found.warning(), "Warning: 1 message from"));
    CHECK(has(found.warning(), "\n  1 of Rechnung/Süd/buche, dann %\n"));
}

TEST_CASE("a forged mark may name any time") {
    skipped found("billing", now);
    found.add("1;until=9223372036854775807;billing/charge");
    CHECK(has(found.warning(), "; the last mark never ends.\n"));
}

TEST_CASE("a place to go on is one end or a time, as far as it is said") {
    CHECK(read_target("earliest")->what == target::kind::earliest);
    CHECK(read_target("latest")->what == target::kind::latest);
    const auto time = [](std::string_view text) {
        const auto found = read_target(text);
        return found && found->what == target::kind::time ? found->milliseconds : -1;
    };
    CHECK(time("2025-11-24T16:00:00.123") == 1'764'000'000'123);
    CHECK(time("2025-11-24T16:00:00.5") == 1'764'000'000'500);
    CHECK(time("2025-11-24T16:00") == 1'764'000'000'000);
    CHECK(time("2025-11-24T16") == 1'764'000'000'000);
    CHECK(time("2025-11-24") == 1'763'942'400'000);
    CHECK(time("2025-11") == 1'761'955'200'000);
    for (const std::string wrong : {"", "soon", "2025-13", "2025-02-30", "2025-11-24T25"}) {
        CHECK_MESSAGE(!read_target(wrong), wrong);
    }
}
