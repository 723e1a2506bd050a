#include <cobus/dispatch/derived_id.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

auto hexadecimal(std::string_view text) -> std::string {
    std::string out;
    for (const auto byte : cobus::detail::sha1::of(text)) {
        out.push_back("0123456789abcdef"[byte >> 4U]);
        out.push_back("0123456789abcdef"[byte & 15U]);
    }
    return out;
}

} // namespace

TEST_CASE("SHA-1 of every kind of length is the standard's") {
    const std::vector<std::pair<std::size_t, std::string>> known{
        {0, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"},
        {56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"},
        {63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"},
        {64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"},
        {119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"},
        {120, "f34c1488385346a55709ba056ddd08280dd4c6d6"},
        {1000, "291e9a6c66994949b57ba5e650361e98fc36b1ba"},
    };
    for (const auto& [size, hash] : known) {
        CAPTURE(size);
        CHECK(hexadecimal(std::string(size, 'a')) == hash);
    }
}

TEST_CASE("a derived id is the UUIDv5 that any other library makes of the same words") {
    using cobus::detail::derive_id;
    const cobus::detail::published_by why{"shop", "0190a1b2-0000-7000-8000-000000000001", "billing",
                                          "invoice"};
    CHECK(derive_id(why, "order.billed", 0).str() == "eb30532e-9337-5bc1-ad45-5d09f6fea78e");
    const cobus::detail::published_by placed{"", "orders:3:42", "g", "h"};
    CHECK(derive_id(placed, "t", 1).str() == "b49b9ddb-4901-5dfb-970f-2375bf2a707b");
}

TEST_CASE("no two things that may be published have one derived id") {
    std::set<std::string> all;
    std::size_t made = 0;
    for (const std::string_view source : {"a", "ab", ""}) {
        for (const std::string_view id : {"1", "b1", ""}) {
            for (const std::string_view handler : {"x", "y"}) {
                for (const std::string_view type : {"t", "u"}) {
                    for (const std::uint32_t number : {0U, 1U, 10U}) {
                        const cobus::detail::published_by why{source, id, "group", handler};
                        all.insert(cobus::detail::derive_id(why, type, number).str());
                        ++made;
                    }
                }
            }
        }
    }
    CHECK(all.size() == made);
}
