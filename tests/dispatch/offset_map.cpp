#include <cobus/dispatch/offset_map.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using cobus::finished_before;
using cobus::offset_runs;
using cobus::read_offset_map;
using cobus::write_offset_map;

namespace {

constexpr std::size_t most = 4096;

auto base64(std::string_view bytes) -> std::string {
    std::string text(cobus::detail::base64_size(bytes.size()), '\0');
    cobus::detail::put_base64(bytes.data(), bytes.size(), text.data());
    return text;
}
/// The slow model: a flag for each offset.
auto flags(const offset_runs& runs) -> std::vector<bool> {
    std::vector<bool> all;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        all.insert(all.end(), static_cast<std::size_t>(runs[i]), i % 2 == 1);
    }
    return all;
}
auto runs_of(const std::vector<bool>& flags) -> offset_runs {
    offset_runs runs(1, 0);
    for (const bool each : flags) {
        if (each != (runs.size() % 2 == 0)) {
            runs.push_back(0);
        }
        ++runs.back();
    }
    return runs;
}

} // namespace

TEST_CASE("few scattered offsets are written as bits, the lowest first, with a byte to spare") {
    // o x o x o x o x o x: bits 1, 3, 5, 7 of the first byte and 1 of the second
    const offset_runs runs{1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    CHECK(write_offset_map(runs, most) == base64(std::string_view("l\0\x0A\xAA\x02\0", 6)));
}

TEST_CASE("long runs are written as their lengths, unfinished first") {
    CHECK(write_offset_map({1, 700}, most) == base64(std::string_view("n\0\x01\x02\xBC", 5)));
    CHECK(write_offset_map({1, 70'000}, most) ==
          base64(std::string_view("e\0\0\0\x01\0\x01\x11\x70", 9)));
}

TEST_CASE("bits of more than 32,767 offsets have a longer length") {
    std::vector<bool> scattered(33'000, true);
    for (std::size_t i = 0; i < scattered.size(); i += 2) {
        scattered[i] = false;
    }
    const std::string text = write_offset_map(runs_of(scattered), 10'000);
    REQUIRE(text.starts_with("bwAAgOi")); // 'o', 0x000080E8, 0xAA
    CHECK(flags(read_offset_map(text).value()) == scattered);
}

TEST_CASE("there is no map where nothing is finished out of order, or where it is too large") {
    CHECK(write_offset_map({}, most).empty());
    CHECK(write_offset_map({12}, most).empty());
    CHECK(write_offset_map({1, 700}, 7).empty());
    CHECK(write_offset_map({1, 700}, 8).size() == 8);
    CHECK(write_offset_map({1, std::int64_t{1} << 40}, most).empty());
}

TEST_CASE("what is no map, or a compressed one, says nothing") {
    for (const std::string& text :
         {std::string(), std::string("~own"), std::string("text"), base64("a\x28\xB5\x2F\xFD"),
          base64("\x01\x02"), base64("l\0"), base64("l"),
          base64(std::string_view("l\0\x20\xFF", 4)), base64(std::string_view("l\xFF\xFF\0", 4)),
          base64(std::string_view("n\0\x01\x02", 4)), base64(std::string_view("e\x80\0\0\0", 5))}) {
        CHECK_FALSE(read_offset_map(text));
    }
}

TEST_CASE("what is written is read, whatever was finished") {
    const std::uint32_t seed = std::random_device()();
    INFO("seed ", seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 2000; ++round) {
        std::vector<bool> model(1, false);
        const std::size_t size = 2 + random() % 3000;
        const unsigned turn = 1 + static_cast<unsigned>(random() % 200);
        while (model.size() < size) {
            model.push_back(random() % turn == 0 ? !model.back() : model.back());
        }
        model.push_back(true); // it ends with the highest that is finished
        const offset_runs runs = runs_of(model);
        const std::string text = write_offset_map(runs, most);
        REQUIRE(!text.empty());
        const auto back = read_offset_map(text);
        REQUIRE(back);
        REQUIRE(flags(*back) == model);

        const std::int64_t base = static_cast<std::int64_t>(random());
        finished_before before(base, *back);
        REQUIRE(before.end() == base + static_cast<std::int64_t>(model.size()));
        for (std::size_t i = 0; i < model.size(); i += 1 + random() % 3) { // there are gaps
            const bool told = before.contains(base + static_cast<std::int64_t>(i));
            if (told != model[i]) {
                REQUIRE(told == model[i]);
            }
        }
        REQUIRE_FALSE(before.contains(before.end()));
        REQUIRE(before.empty());
    }
}

TEST_CASE("any text is read or refused, and never read beyond its end") {
    std::mt19937 random(20261121);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes(random() % 12, '\0');
        for (char& each : bytes) {
            each = static_cast<char>(random());
        }
        if (!bytes.empty()) {
            bytes.front() = "lonexJ"[random() % 6];
        }
        const auto runs = read_offset_map(base64(bytes));
        CHECK((!runs || cobus::detail::length_of(*runs) >= 0));
    }
}

TEST_CASE("a map that tells of another topic than the one that comes is dropped") {
    finished_before before(100, {1, 9});
    CHECK_FALSE(before.contains(3));
    CHECK(before.empty());
    CHECK_FALSE(before.contains(105));
}
