#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cobus::detail {

/// SHA-1 (FIPS 180-4), for UUIDv5, which is made of it. Not for secrets.
class sha1 {
public:
    using digest = std::array<std::uint8_t, 20>;

    [[nodiscard]] static auto of(std::string_view text) -> digest {
        sha1 state;
        std::string padded(text);
        padded.push_back('\x80');
        padded.append((block_size + length_at - padded.size() % block_size) % block_size, '\0');
        const std::uint64_t bits = std::uint64_t{text.size()} * 8;
        for (unsigned shift = 64; shift != 0;) {
            shift -= 8;
            padded.push_back(static_cast<char>(bits >> shift & 0xFFU));
        }
        for (std::size_t at = 0; at < padded.size(); at += block_size) {
            state.add(std::string_view(padded).substr(at, block_size));
        }
        return state.result();
    }

private:
    static constexpr std::size_t block_size = 64;
    static constexpr std::size_t length_at = 56; ///< in the last block

    [[nodiscard]] static auto schedule(std::string_view block) noexcept
        -> std::array<std::uint32_t, 80> {
        std::array<std::uint32_t, 80> words{};
        for (std::size_t i = 0; i < block_size; ++i) {
            words[i / 4] = words[i / 4] << 8U | static_cast<std::uint8_t>(block[i]);
        }
        for (std::size_t i = 16; i < words.size(); ++i) {
            words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
        }
        return words;
    }
    void add(std::string_view block) noexcept {
        const auto words = schedule(block);
        auto [a, b, c, d, e] = state_;
        for (std::size_t i = 0; i < words.size(); ++i) {
            std::uint32_t mixed = b ^ c ^ d;
            std::uint32_t constant = i < 40 ? 0x6ED9EBA1U : 0xCA62C1D6U;
            if (i < 20) {
                mixed = (b & c) | (~b & d);
                constant = 0x5A827999U;
            } else if (i >= 40 && i < 60) {
                mixed = (b & c) | (b & d) | (c & d);
                constant = 0x8F1BBCDCU;
            }
            const std::uint32_t next = std::rotl(a, 5) + mixed + e + constant + words[i];
            e = d;
            d = c;
            c = std::rotl(b, 30);
            b = a;
            a = next;
        }
        state_ = {state_[0] + a, state_[1] + b, state_[2] + c, state_[3] + d, state_[4] + e};
    }
    [[nodiscard]] auto result() const noexcept -> digest {
        digest bytes{};
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = static_cast<std::uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
        }
        return bytes;
    }

    std::array<std::uint32_t, 5> state_{0x67452301U, 0xEFCDAB89U, 0x98BADCFEU, 0x10325476U,
                                        0xC3D2E1F0U};
};

} // namespace cobus::detail
