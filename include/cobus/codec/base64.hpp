#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cobus::detail {

[[nodiscard]] constexpr auto base64_size(std::size_t bytes) noexcept -> std::size_t {
    return (bytes + 2) / 3 * 4;
}

/// Writes `base64_size(size)` characters of standard base64 with padding (RFC 4648, 4).
template <class Byte>
auto put_base64(const Byte* bytes, std::size_t size, char* out) noexcept -> char* {
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto byte = [bytes, size](std::size_t i) -> std::uint32_t {
        return i < size ? static_cast<std::uint8_t>(bytes[i]) : 0U;
    };
    for (std::size_t i = 0; i < size; i += 3) {
        const std::uint32_t group = byte(i) << 16U | byte(i + 1) << 8U | byte(i + 2);
        *out++ = digits[group >> 18U];
        *out++ = digits[(group >> 12U) & 63U];
        *out++ = i + 1 < size ? digits[(group >> 6U) & 63U] : '=';
        *out++ = i + 2 < size ? digits[group & 63U] : '=';
    }
    return out;
}

[[nodiscard]] constexpr auto base64_digit(char c) noexcept -> int {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/// Reads standard base64 with padding, nothing else: no white space, no missing padding, no bits
/// left over, so that each sequence of bytes has one spelling.
template <class Bytes>
[[nodiscard]] auto read_base64(std::string_view text, Bytes& out) -> bool {
    using byte = typename Bytes::value_type;
    out.clear();
    if (text.size() % 4 != 0) {
        return false;
    }
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    out.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        const std::size_t filled = i + 4 == text.size() ? 4 - padding : 4;
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 4; ++k) {
            const int digit = k < filled ? base64_digit(text[i + k]) : 0;
            if (digit < 0) {
                return false;
            }
            group = group << 6U | static_cast<std::uint32_t>(digit);
        }
        const std::uint32_t spare = filled == 2 ? 0xFFFFU : filled == 3 ? 0xFFU : 0U;
        if ((group & spare) != 0) {
            return false;
        }
        for (std::size_t k = 0; k + 1 < filled; ++k) {
            out.push_back(static_cast<byte>(group >> (16U - 8U * k) & 0xFFU));
        }
    }
    return true;
}

} // namespace cobus::detail
