#pragma once

#include "../../contract.hpp"

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace cobus::testing {

/// The event of the conformance suite.
struct note {
    std::string key;
    std::uint64_t number = 0;
};

/// `note:<number>:<key>`, so that the suite needs no codec's library.
struct note_codec {
    static constexpr std::string_view content_type = "text/plain";

    [[nodiscard]] static auto encode(const note& event, std::string& out) -> codec_result {
        if (event.number == unwritable) {
            return codec_result("this number cannot be written");
        }
        out.append("note:").append(std::to_string(event.number)).append(":").append(event.key);
        return codec_result();
    }
    [[nodiscard]] static auto decode(std::string_view bytes, note& into) -> codec_result {
        constexpr std::string_view begin = "note:";
        if (!bytes.starts_with(begin)) {
            return codec_result("it does not begin with note:");
        }
        const char* const end = bytes.data() + bytes.size();
        const auto number = std::from_chars(bytes.data() + begin.size(), end, into.number);
        if (number.ec != std::errc() || number.ptr == end || *number.ptr != ':') {
            return codec_result("there is no number");
        }
        into.key.assign(number.ptr + 1, end);
        return codec_result();
    }

    static constexpr std::uint64_t unwritable = ~std::uint64_t{0};
};

} // namespace cobus::testing

template <> struct cobus::contract<cobus::testing::note> {
    static constexpr std::string_view type = "cobus.testing.note", topic = "cobus.testing.notes";
    static constexpr auto key = &cobus::testing::note::key;
    using codec = cobus::testing::note_codec;
};
