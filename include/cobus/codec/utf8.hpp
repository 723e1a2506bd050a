#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace cobus::detail {

/// The length of the well-formed UTF-8 sequence at `at`, or 0 when there is none: overlong forms,
/// surrogates and code points beyond U+10FFFF are not well-formed.
[[nodiscard]] inline auto utf8_length(const char* at, const char* end) noexcept -> std::size_t {
    const auto byte = [at](std::size_t i) { return static_cast<unsigned char>(at[i]); };
    const auto follows = [&byte](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
    const auto left = static_cast<std::size_t>(end - at);
    const unsigned lead = left > 0 ? byte(0) : 0xFFU;
    if (lead < 0x80U) {
        return 1;
    }
    if (lead >= 0xC2U && lead <= 0xDFU) {
        return left >= 2 && follows(1) ? 2 : 0;
    }
    if (lead >= 0xE0U && lead <= 0xEFU) {
        const bool fits = left >= 3 && follows(1) && follows(2) &&
                          (lead != 0xE0U || byte(1) >= 0xA0U) &&
                          (lead != 0xEDU || byte(1) <= 0x9FU);
        return fits ? 3 : 0;
    }
    if (lead >= 0xF0U && lead <= 0xF4U) {
        const bool fits = left >= 4 && follows(1) && follows(2) && follows(3) &&
                          (lead != 0xF0U || byte(1) >= 0x90U) &&
                          (lead != 0xF4U || byte(1) <= 0x8FU);
        return fits ? 4 : 0;
    }
    return 0;
}

/// Writes a code point that is no surrogate; returns how many bytes.
[[nodiscard]] inline auto put_utf8(std::uint32_t point, char* out) noexcept -> std::size_t {
    const auto tail = [point](unsigned shift) {
        return static_cast<char>(0x80U | ((point >> shift) & 0x3FU));
    };
    if (point < 0x80U) {
        out[0] = static_cast<char>(point);
        return 1;
    }
    if (point < 0x800U) {
        out[0] = static_cast<char>(0xC0U | (point >> 6U));
        out[1] = tail(0);
        return 2;
    }
    if (point < 0x10000U) {
        out[0] = static_cast<char>(0xE0U | (point >> 12U));
        out[1] = tail(6);
        out[2] = tail(0);
        return 3;
    }
    out[0] = static_cast<char>(0xF0U | (point >> 18U));
    out[1] = tail(12);
    out[2] = tail(6);
    out[3] = tail(0);
    return 4;
}

/// Eight bytes of text, the first one lowest.
[[nodiscard]] inline auto load_word(const char* at) noexcept -> std::uint64_t {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    if constexpr (std::endian::native == std::endian::big) {
        word = __builtin_bswap64(word);
    }
    return word;
}

/// The high bit of each byte that JSON does not take as it is: quote, backslash, control characters
/// and whatever is not ASCII. Exact up to and including the lowest bit that is set.
[[nodiscard]] inline auto special_bytes(std::uint64_t word) noexcept -> std::uint64_t {
    constexpr std::uint64_t ones = 0x0101010101010101U;
    constexpr std::uint64_t highs = 0x8080808080808080U;
    const std::uint64_t quote = word ^ (ones * '"');
    const std::uint64_t backslash = word ^ (ones * '\\');
    const std::uint64_t control = (word - ones * 0x20U) & ~word;
    return (control | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | word) & highs;
}

/// The first byte in [at, end) that JSON does not take as it is.
[[nodiscard]] inline auto find_special(const char* at, const char* end) noexcept -> const char* {
    while (end - at >= 8) {
        if (const std::uint64_t found = special_bytes(load_word(at)); found != 0) {
            return at + (std::countr_zero(found) >> 3);
        }
        at += 8;
    }
    for (; at != end; ++at) {
        const auto c = static_cast<unsigned char>(*at);
        if (c < 0x20U || c >= 0x80U || c == '"' || c == '\\') {
            break;
        }
    }
    return at;
}

[[nodiscard]] inline auto is_utf8(std::string_view text) noexcept -> bool {
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at != end) {
        const std::size_t length = utf8_length(at, end);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

} // namespace cobus::detail
