#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#if defined(_WIN32)
#include <random>
#else
#include <cerrno>
#include <sys/random.h> // a tenth of what <random> takes to compile
#endif

namespace cobus {

/// Times on messages: UTC, milliseconds, as Kafka keeps them.
using time_point = std::chrono::sys_time<std::chrono::milliseconds>;

/// The identity of a message: a UUIDv7 (RFC 9562) made by cobus, or whatever text its producer
/// chose. Cheap to copy; the 36 characters are only written when somebody looks.
class message_id {
public:
    message_id() = default;

    /// Keeps UUIDs in 16 bytes and anything else as text, the nil UUID too: its bytes are no id.
    [[nodiscard]] static auto from_text(std::string_view text) -> message_id {
        message_id id;
        if (auto parsed = parse(text); parsed && *parsed != id.bytes_) {
            id.bytes_ = *parsed;
        } else if (!text.empty()) {
            id.text_ = std::make_shared<const std::string>(text);
        }
        return id;
    }
    [[nodiscard]] static auto from_bytes(const std::array<std::uint8_t, 16>& bytes) -> message_id {
        message_id id;
        id.bytes_ = bytes;
        return id;
    }

    /// A UUIDv7: the milliseconds of `now`, then 74 random bits; those that a thread makes within
    /// one millisecond count up from there, so that they sort as they were made. Not for secrets.
    /// Thread-safe.
    [[nodiscard]] static auto make(time_point now) -> message_id;

    [[nodiscard]] auto empty() const noexcept -> bool {
        std::array<std::uint64_t, 2>
            words{}; // a call to `memcmp` would wait for what was just written
        std::memcpy(words.data(), bytes_.data(), sizeof words);
        return !text_ && (words[0] | words[1]) == 0;
    }
    [[nodiscard]] auto is_uuid() const noexcept -> bool { return !text_; }
    [[nodiscard]] auto bytes() const noexcept -> const std::array<std::uint8_t, 16>& {
        return bytes_;
    }
    [[nodiscard]] auto str() const -> std::string {
        return text_ ? *text_ : std::string(format(bytes_).data(), 36);
    }

    /// The same without allocating: written to `room`, or as it is kept.
    [[nodiscard]] auto view(std::array<char, 36>& room) const noexcept -> std::string_view {
        if (text_) {
            return *text_;
        }
        room = format(bytes_);
        return {room.data(), room.size()};
    }

    friend auto operator==(const message_id& a, const message_id& b) noexcept -> bool {
        if (a.text_ && b.text_) {
            return *a.text_ == *b.text_;
        }
        return !a.text_ && !b.text_ && a.bytes_ == b.bytes_;
    }

private:
    [[nodiscard]] static auto format(const std::array<std::uint8_t, 16>& bytes) noexcept
        -> std::array<char, 36>;
    [[nodiscard]] static auto parse(std::string_view text) noexcept
        -> std::optional<std::array<std::uint8_t, 16>>;

    std::array<std::uint8_t, 16> bytes_{};
    std::shared_ptr<const std::string> text_;
};

namespace detail {

/// xoshiro256++ (Blackman and Vigna, 2019), seeded once for each thread from the operating system.
class fast_random {
public:
    fast_random() {
#if defined(_WIN32)
        std::random_device device;
        for (std::uint64_t& word : state_) {
            word = (std::uint64_t{device()} << 32U) | device();
        }
#else
        if (::getentropy(state_.data(), sizeof state_) != 0) {
            throw std::system_error(errno, std::generic_category(), "no random numbers");
        }
#endif
    }
    [[nodiscard]] auto operator()() noexcept -> std::uint64_t {
        const std::uint64_t result = rotate(state_[0] + state_[3], 23) + state_[0];
        const std::uint64_t shifted = state_[1] << 17U;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotate(state_[3], 45);
        return result;
    }
    [[nodiscard]] static auto local() -> fast_random& {
        static thread_local fast_random instance;
        return instance;
    }

private:
    [[nodiscard]] static auto rotate(std::uint64_t value, unsigned bits) noexcept -> std::uint64_t {
        return (value << bits) | (value >> (64U - bits));
    }
    std::array<std::uint64_t, 4> state_{};
};

/// The time and the random bits of the last UUIDv7 of a thread.
struct last_uuid {
    std::uint64_t high = 0; ///< with the milliseconds in front; 0 before the first
    std::uint64_t low = 0;  ///< 62 bits

    [[gnu::noinline]] void begin(std::uint64_t millis) {
        fast_random& random = fast_random::local();
        high = (millis << 16U) | 0x7000U | (random() & 0x0FFFU);
        low = random();
    }
};
inline constinit thread_local last_uuid local_last_uuid{}; // NOLINT: one for each thread

/// A loop over the bytes would be eight stores where one does.
inline void put_big_endian(std::uint64_t value, std::uint8_t* into) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
        value = (value & 0x00FF00FF00FF00FFU) << 8U | (value >> 8U & 0x00FF00FF00FF00FFU);
        value = (value & 0x0000FFFF0000FFFFU) << 16U | (value >> 16U & 0x0000FFFF0000FFFFU);
        value = value << 32U | value >> 32U;
    }
    std::memcpy(into, &value, sizeof value);
}

/// The wall clock to a few milliseconds, for a seventh of the price of the exact one where there is
/// one.
[[nodiscard]] inline auto coarse_now() noexcept -> time_point {
#if defined(CLOCK_REALTIME_COARSE)
    std::timespec now{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return time_point(
        std::chrono::milliseconds(std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000));
#else
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
#endif
}

} // namespace detail

inline auto message_id::make(time_point now) -> message_id {
    constexpr unsigned variant_bits = 2;
    constexpr std::uint64_t variant = std::uint64_t{1} << 63U;
    detail::last_uuid& last = detail::local_last_uuid;
    const auto millis = static_cast<std::uint64_t>(now.time_since_epoch().count());
    if (((last.high >> 16U) ^ millis) << 16U != 0 || last.high == 0) {
        last.begin(millis);
    }
    const std::uint64_t low = ++last.low << variant_bits >> variant_bits | variant;
    message_id id;
    detail::put_big_endian(last.high, id.bytes_.data());
    detail::put_big_endian(low, id.bytes_.data() + 8);
    return id;
}

inline auto message_id::format(const std::array<std::uint8_t, 16>& bytes) noexcept
    -> std::array<char, 36> {
    constexpr std::string_view digits = "0123456789abcdef";
    std::array<char, 36> text{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < 16; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text[at++] = '-';
        }
        text[at++] = digits[bytes[i] >> 4U];
        text[at++] = digits[bytes[i] & 15U];
    }
    return text;
}

inline auto message_id::parse(std::string_view text) noexcept
    -> std::optional<std::array<std::uint8_t, 16>> {
    if (text.size() != 36) {
        return std::nullopt;
    }
    std::array<std::uint8_t, 16> bytes{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < 36; ++i) {
        const char c = text[i];
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-') {
                return std::nullopt;
            }
            continue;
        }
        // Only lower case: another spelling must come back as it was written.
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) {
            return std::nullopt;
        }
        bytes[at / 2] = static_cast<std::uint8_t>(bytes[at / 2] << 4U | digit);
        ++at;
    }
    return bytes;
}

} // namespace cobus
