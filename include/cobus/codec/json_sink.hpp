#pragma once

#include "json_problem.hpp"
#include "utf8.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace cobus::detail::json {

/// The buffer that one text is written to. Writers hand the position on by value and get the new
/// one back, null after a failure, so that it stays in a register.
///
/// The memory is the thread's and serves one text after the other; a codec called inside a codec
/// gets memory of its own.
class sink {
public:
    static constexpr std::size_t scalar = 32; ///< room for any number, time or word

    sink() : memory_(std::exchange(spare(), block())) {
        if (!memory_.bytes) {
            memory_ = block(initial);
        }
    }
    sink(const sink&) = delete;
    auto operator=(const sink&) -> sink& = delete;
    ~sink() {
        if (memory_.size <= kept) {
            spare() = std::move(memory_);
        }
    }

    [[nodiscard]] auto begin() const noexcept -> char* { return memory_.bytes.get(); }

    /// Makes sure that `wanted` bytes and a few more for closing marks can be written at `at`.
    [[nodiscard]] auto room(char* at, std::size_t wanted) -> char* {
        const auto left = static_cast<std::size_t>(begin() + memory_.size - at);
        if (left < wanted + slack) [[unlikely]] {
            return grow(at, wanted);
        }
        return at;
    }

    auto raw(char* at, std::string_view text) -> char* {
        at = room(at, text.size());
        std::memcpy(at, text.data(), text.size());
        return at + text.size();
    }

    /// Writes text in quotes, escaped; refuses what is not UTF-8.
    [[nodiscard]] auto string(char* at, std::string_view text) -> char* {
        at = room(at, text.size() + 10);
        *at++ = '"';
        const char* from = text.data();
        const char* const end = from + text.size();
        while (from != end) {
            const auto left = static_cast<std::size_t>(end - from);
            const std::uint64_t word = left >= 8 ? load_word(from) : load_part(from, left);
            const std::uint64_t found = special_bytes(word);
            const std::size_t plain = found == 0
                                          ? (std::min<std::size_t>)(left, 8)
                                          : static_cast<std::size_t>(std::countr_zero(found) >> 3);
            store_word(at, word);
            at += plain;
            from += plain;
            if (found != 0) {
                at = special(at, from, end);
                if (at == nullptr) {
                    return nullptr;
                }
            }
        }
        *at++ = '"';
        return at;
    }

    auto fail(std::string what) -> char* {
        wrong.say(std::move(what));
        return nullptr;
    }
    [[nodiscard]] auto deeper() -> bool {
        return ++depth_ <= max_depth ||
               wrong.say("nested deeper than " + std::to_string(max_depth) + " levels");
    }
    void shallower() noexcept { --depth_; }
    [[nodiscard]] auto depth() const noexcept -> unsigned { return depth_; }

    problem wrong;

private:
    static constexpr std::size_t slack = 16, initial = 4096, kept = std::size_t{1} << 20U;

    struct block {
        block() = default;
        explicit block(std::size_t wanted) : bytes(new char[wanted]), size(wanted) {}

        std::unique_ptr<char[]> bytes;
        std::size_t size = 0;
    };
    [[nodiscard]] static auto spare() noexcept -> block& {
        static thread_local block instance;
        return instance;
    }

    auto grow(const char* at, std::size_t wanted) -> char* {
        const auto used = static_cast<std::size_t>(at - begin());
        block larger((std::max)(memory_.size * 2, used + wanted + slack));
        std::memcpy(larger.bytes.get(), begin(), used);
        memory_ = std::move(larger);
        return begin() + used;
    }

    /// Fewer than eight bytes, filled up with spaces.
    [[nodiscard]] static auto load_part(const char* from, std::size_t size) noexcept
        -> std::uint64_t {
        const auto half = [](const char* at) {
            std::uint32_t word = 0;
            std::memcpy(&word, at, sizeof word);
            if constexpr (std::endian::native == std::endian::big) {
                word = __builtin_bswap32(word);
            }
            return std::uint64_t{word};
        };
        const auto byte = [from](std::size_t i) {
            return std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
        };
        const std::uint64_t word = size >= 4
                                       ? half(from) | half(from + size - 4) << (8 * (size - 4))
                                       : byte(0) | byte(size / 2) | byte(size - 1);
        return word | 0x2020202020202020U << (8 * size);
    }
    static void store_word(char* at, std::uint64_t word) noexcept {
        if constexpr (std::endian::native == std::endian::big) {
            word = __builtin_bswap64(word);
        }
        std::memcpy(at, &word, sizeof word);
    }

    /// Writes the character at `from` that cannot stand as it is, or a run of non-ASCII.
    [[nodiscard]] auto special(char* at, const char*& from, const char* end) -> char* {
        at = room(at, static_cast<std::size_t>(end - from) + 16);
        const auto c = static_cast<unsigned char>(*from);
        if (c < 0x80U) {
            ++from;
            return escape(at, c);
        }
        for (; from != end && static_cast<unsigned char>(*from) >= 0x80U;) {
            const std::size_t length = utf8_length(from, end);
            if (length == 0) {
                return fail("the text is not UTF-8");
            }
            std::memcpy(at, from, length);
            at += length;
            from += length;
        }
        return at;
    }
    [[nodiscard]] static auto escape(char* at, unsigned char c) noexcept -> char* {
        constexpr std::string_view digits = "0123456789abcdef";
        constexpr std::string_view named = "\"\\\b\f\n\r\t";
        constexpr std::string_view letters = "\"\\bfnrt";
        *at++ = '\\';
        if (const auto found = named.find(static_cast<char>(c)); found != named.npos) {
            *at++ = letters[found];
            return at;
        }
        std::memcpy(at, "u00", 3);
        at[3] = digits[c >> 4U];
        at[4] = digits[c & 15U];
        return at + 5;
    }

    block memory_;
    unsigned depth_ = 0;
};

} // namespace cobus::detail::json
